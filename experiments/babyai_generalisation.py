"""How far does an agent generalise? Trained once, tested where training never was.

    python experiments/babyai_generalisation.py
    python experiments/babyai_generalisation.py --seeds 1 --conditioning concat --run runs/concat

Training: "go to the {color} {object}" in one room of 8 x 8 with 7 distractors, without the
sentences about three pairs of colour and object, which lie about as distractors. Tests, on fresh
worlds each: as trained; the held-out pairs; more distractors; bigger rooms; sentences of two
clauses, joined by words that training never said. Killed and started again with the same command it
goes on; a second process with the same command shares the trainings. It ends with a table, a
picture, and rows in docs/results/babyai_studies.json.

A row's interval is that of the episodes of all seeds together (Wilson, 95%), and beside it stands
the floor: uniformly random actions in the same worlds. Cost: a training of babyai_ppo.py a seed,
and 2 x --eval-episodes episodes for each test and seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import cli
from agent_lines import LineOptions as Options
from agent_lines import success
from agent_sweep import open_sweep, work
from paper_rows import check_rows, of_runs, write_rows
from row_tables import table

from agents.config import AgentConfig

if TYPE_CHECKING:
    from agents.task import Task
    from film_rl.run import RunFolder, Sweep

PART = "generalisation"
PICTURE = "babyai_generalisation.png"  # among the media of the documents
COMMAND = "python experiments/babyai_generalisation.py"  # whose rows it shows
GO = "go to the {color} {object}"
HELD_OUT = ("red key", "blue ball", "green box")
STEPS = 1_000_000  # as many as GoToLocal's
TWO_CLAUSES = {
    "two clauses: X and Y": f"{GO} and {GO}",
    "two clauses: X, then Y": f"{GO}, then {GO}",
    "two clauses: X after you Y": f"{GO} after you {GO}",
}
MORE_DISTRACTORS = (10, 12, 15)
BIGGER_ROOMS = (10, 13, 16)


def main() -> None:
    """Train, test, tell."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        check_rows(options.results)  # now, not only after the training
        config = options.over(AgentConfig(instr=(GO,), hold_out=HELD_OUT, steps=STEPS))
        configs = {str(seed): replace(config, seed=seed) for seed in options.all_seeds}
        sweep = open_sweep(options, "babyai-generalisation", configs)
        work(sweep, train_and_test, lambda: report(options, config, sweep))


def trials_of(task: "Task") -> dict[str, "Task"]:
    """Each test by its name: where it differs from training."""
    return {
        "as trained": task,
        "pairs held out": task.held_out(),
        **{f"{n} distractors instead of 7": replace(task, distractors=n) for n in MORE_DISTRACTORS},
        **{f"a room of {n} x {n} instead of 8 x 8": replace(task, room_size=n)
           for n in BIGGER_ROOMS},
        **{name: replace(task, names=(sentence,)) for name, sentence in TWO_CLAUSES.items()},
    }  # fmt: skip


def train_and_test(run: "RunFolder", config: AgentConfig) -> None:
    """Train an agent to its end and evaluate it; write what it does in each test.

    The tests come before the summary: a run that has one is whole.
    """
    from agents.finish import finish
    from agents.task import Task
    from agents.training import train
    from film_rl.run.files import to_json, write_atomically

    learner, seconds = train(config, run)
    task, episodes = Task.of_config(config), config.eval_episodes
    measured = {name: measure(learner, test, episodes) for name, test in trials_of(task).items()}
    write_atomically(run.path / "generalisation.json", to_json(measured))
    finish(config, run, learner, seconds, film=False)


def measure(agent: Any, task: "Task", episodes: int) -> dict[str, Any]:
    """Success with sampled, argmax and uniformly random actions on the same worlds."""
    from agents.evaluation import evaluate

    scores = {
        "sampled": evaluate(agent, task, episodes, engine="tensor"),
        "argmax": evaluate(agent, task, episodes, deterministic=True, engine="tensor"),
        "random": evaluate(RandomAgent(agent), task, episodes, engine="tensor"),
    }
    return {actions: score.to_json()["overall"] for actions, score in scores.items()}


class RandomAgent:
    """Acts at random where another agent acts."""

    def __init__(self, agent: Any) -> None:
        self.observation_space, self.action_space = agent.observation_space, agent.action_space

    def predict(
        self,
        observation: Mapping[str, Any],
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Uniform actions, as of SB3's algorithms."""
        import torch

        worlds = len(observation["image"])
        return torch.randint(int(self.action_space.n), (worlds,)).numpy(), state


def report(options: Options, config: AgentConfig, sweep: "Sweep[AgentConfig]") -> None:
    """Print the table, draw it, write the rows once all seeds are done."""
    runs = [run for run in sweep.runs.values() if run.summary()]
    if runs and not sweep.left():
        rows = list(rows_of(options, config, runs, list(sweep.runs.values())))
        write_rows(rows, options.results)
        print(f"\n{PART}\n\n{table(rows)}\npicture: {draw(rows, sweep.path / 'tests.png')}")
        print(f"rows: {options.results}")
    print(f"runs: {sweep.path}, {len(runs)} of {len(sweep.runs)} done")


def rows_of(
    options: Options,
    config: AgentConfig,
    runs: "Sequence[RunFolder]",
    every: "Sequence[RunFolder]",
) -> Iterator[dict[str, Any]]:
    """A row of docs/results/babyai_studies.json for each test."""
    from film_rl.run.files import read_json

    measured = [read_json(run.path / "generalisation.json") for run in runs]
    for name in measured[0]:
        yield of_runs(
            PART,
            name,
            None,
            figures([one[name] for one in measured]),
            data=f"{config.conditioning}, {config.steps:,} steps",
            command=options.command("babyai_generalisation"),
            runs=every,
        )


def figures(seeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the agents of all seeds and random actions achieve in a test."""
    floor = mean(100 * one["random"]["success_rate"] for one in seeds)
    return {**success(seeds), "random actions": round(floor, 1)}


def draw(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Success in each test with its interval, the floor beside it; the PNG's path."""
    from matplotlib.figure import Figure

    from film_rl.analysis.style import BLUE, GREY, ORANGE, tidy

    figure = Figure(figsize=(9, 0.4 * len(rows) + 1.6), dpi=110, layout="constrained")
    figure.suptitle(f'Trained on "{GO}", tested elsewhere', fontsize=12)
    axes, places = figure.subplots(), range(len(rows))
    of = [row["figures"] for row in rows]
    ends = [[one["sampled"] - one["95% from"], one["to"] - one["sampled"]] for one in of]
    axes.errorbar(
        [one["sampled"] for one in of],
        places,
        xerr=[list(side) for side in zip(*ends, strict=True)],
        fmt="o",
        color=BLUE,
        capsize=3,
        label="sampled actions, with their 95% interval",
    )
    for name, marker, color in (("argmax", "D", ORANGE), ("random actions", "|", GREY)):
        axes.plot([one[name] for one in of], places, marker, color=color, label=name)
    axes.set_yticks(places, [row["what"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 102)
    axes.set_xlabel("episodes that succeed (%)")
    tidy(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path)
    return path


if __name__ == "__main__":
    main()
