"""Tell an agent sentences that training held out: plainly, and by arithmetic of FiLM parameters.

    python experiments/babyai_ppo.py --instr "go to the {color} {object}" --hold-out "red key" --hold-out "blue ball" --run runs/held-out
    python experiments/babyai_zero_shot.py --run runs/held-out

Claim (Perez et al. 2018, section 4.5, there for questions): film(go to the red key) is made of
film(red ball) + film(blue key) - film(blue ball), none of which says "red key". Beside it stands
success on the same worlds with the sentence told plainly; told as another one ("blue ball"), which
is what wandering about achieves; and all three for sentences that training had. What exactly is
held out: envs/hold_out.py. Cost: a training of babyai_ppo.py, and six rows of 2 x --episodes
episodes. Writes zero_shot.json and plots/zero_shot.png into the run folder.
"""  # noqa: E501 - a command is one line

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
from commands import on_run
from kinds import run_of
from paper_rows import PAPER, check_rows, measured, write_rows

from agents.config import AgentConfig

if TYPE_CHECKING:
    from agents.task import Task
    from film_rl.run import RunFolder


@dataclass(frozen=True)
class Options:
    """Which agent, how often."""

    run: Path
    """The run folder of an agent trained with --hold-out."""
    episodes: int = 512
    """Fresh episodes of each row; each is played with sampled and with argmax actions."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    results: Path = PAPER
    """The file that the row of the table goes to."""


def main() -> None:
    """Measure, show, draw and write."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from agents.learner import load_agent
        from agents.task import Task
        from agents.zero_shot import held_out_triples, measure
        from film_rl.run import UserError
        from film_rl.run.files import to_json, write_atomically

        if options.episodes < 1:
            raise UserError(f"--episodes {options.episodes}; expected 1 or more")
        check_rows(options.results)
        run = run_of("agent", options.run)
        run.check_writable()
        agent, config = load_agent(run, options.device)
        task = Task.of_config(config)
        if task.is_level:
            raise UserError(f"{run.path} was trained on {task}, which holds out no sentence")
        triples = held_out_triples(task)
        for sentence, three in triples.items():
            print(f"{sentence} = {three.kind} + {three.color} - {three.both}")
        rows = measure(agent, task, options.episodes)
        show(rows)
        figures = {
            "task": str(task),
            "hold_out": list(task.hold_out),
            "arithmetic": {sentence: list(three) for sentence, three in triples.items()},
            "rows": rows,
        }
        write_atomically(run.path / "zero_shot.json", to_json(figures))
        picture = draw(rows, str(task), run.folder("plots") / "zero_shot.png")
        assert isinstance(config, AgentConfig)  # imitation holds no sentence out
        write_rows([row_of(run, task, rows, config)], options.results)
        print(f"figures: {run.path / 'zero_shot.json'}\npicture: {picture}")


def show(rows: dict[str, Any]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("sentences", "sampled", "95% interval", "steps", "argmax", "steps", "how many")
    for name, row in rows.items():
        sampled, argmax = row["sampled"]["overall"], row["argmax"]["overall"]
        table.add_row(
            name,
            f"{sampled['success_rate']:.1%}",
            "{:.1%} - {:.1%}".format(*sampled["success_ci95"]),
            f"{sampled['mean_steps']:.1f}",
            f"{argmax['success_rate']:.1%}",
            f"{argmax['mean_steps']:.1f}",
            str(row["sentences"]),
        )
    Console().print(table)


def row_of(
    run: "RunFolder", task: "Task", rows: dict[str, Any], config: AgentConfig
) -> dict[str, Any]:
    """The figures as a row of docs/results/paper.json."""
    from film_rl.run import choose_device, describe_device

    episodes = next(iter(rows.values()))["sampled"]["overall"]["episodes"]
    data = f"{task}; {config.steps:,} steps of training, {episodes} fresh episodes a figure"
    figures = {
        name: round(100 * row["sampled"]["overall"]["success_rate"], 1)
        for name, row in rows.items()
    }
    how_often = [] if episodes == Options.episodes else ["--episodes", str(episodes)]
    return measured(
        "sentences held out",
        "success (%) on sentences held out of training",
        None,
        figures,
        data=data,
        command=on_run(run, "babyai_zero_shot", *how_often),
        hardware=describe_device(choose_device(config.device)),
        seeds=[config.seed],
    )


def draw(rows: dict[str, Any], title: str, path: Path) -> Path:
    """Success of each row with its 95% interval, sampled and argmax actions; the PNG's path."""
    import bars

    from film_rl.analysis.style import BLUE, ORANGE

    def of(actions: str, color: str) -> bars.Bars:
        overall = [row[actions]["overall"] for row in rows.values()]
        return bars.Bars(
            f"{actions} actions",
            color,
            [one["success_rate"] for one in overall],
            [one["success_ci95"] for one in overall],
        )

    return bars.draw(
        f"Sentences never trained on\n{title}",
        list(rows),
        (of("sampled", BLUE), of("argmax", ORANGE)),
        "episodes that succeed (%), with 95% intervals",
        path,
    )


if __name__ == "__main__":
    main()
