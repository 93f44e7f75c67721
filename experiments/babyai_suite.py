"""All of BabyAI: levels x methods x seeds, one table beside what was published.

    python experiments/babyai_suite.py --tasks GoToRedBall GoToLocal
    python experiments/babyai_suite.py --tasks BossLevel --methods bc --demonstrations 50000
    python experiments/babyai_suite.py --device cuda --envs 4096 --batch-size 2048

Each run is a run folder as of babyai_ppo.py, with its learning curve, its film, and its evaluation
on 512 fresh levels of minigrid, with sampled and with argmax actions. How long a level is trained
stands in babyai_levels.py, what the methods are in babyai_methods.py; options that are typed hold
for every run. Methods that imitate make the demonstrations of minigrid's bot that demos/ lacks.

Killed and started again with the same command it goes on; what is finished never runs again. A
second process with the same command shares the work, on this machine or on another one that sees
the folder. It ends with a table, a picture of all learning curves, and rows in
docs/results/babyai.json; `python experiments/report.py` puts them into docs/babyai.md.

Results: docs/babyai.md. All levels by `ppo` are 310 million steps a seed, of which one core takes
some 13,000 a second; the first eight, 36 million.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
from agent_sweep import AgentSweepOptions, chosen, levels_of, open_sweep, work
from babyai_levels import LEVELS, Level
from babyai_methods import METHODS, Config
from babyai_rows import BABYAI, draw_curves, read_rows, suite_table, write_rows

from agents.config import ImitationConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder, Sweep

Row = dict[str, Any]
Job = tuple[Level, str, int]  # level, method, seed


@dataclass(frozen=True)
class Options(AgentSweepOptions):
    """Which levels by which methods."""

    tasks: tuple[str, ...] = ()
    """Only these levels, such as GoToLocal BossLevel; all that minigrid has when not given."""
    methods: tuple[str, ...] = ("ppo",)
    """Ways to train, such as ppo or bc; those of babyai_methods.py."""
    demonstrations: int = 0
    """How many a method that imitates learns from; the level's number when 0."""
    updates: int = 0
    """Gradient steps of such a method; the level's number when 0."""
    results: Path = BABYAI
    """The file that the rows go to."""

    @property
    def lessons(self) -> dict[str, Any]:
        """What is typed of `demonstrations` and `updates`."""
        return {n: v for n in ("demonstrations", "updates") if (v := getattr(self, n))}

    def for_lessons(self, config: Config) -> Config:
        """The configuration with these, if it is of imitation."""
        return replace(config, **self.lessons) if isinstance(config, ImitationConfig) else config


def main() -> None:
    """Train what is asked for, then tell."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        read_rows(options.results)  # now, not only after hours of training
        jobs = jobs_of(options)
        sweep = open_sweep(options, "babyai", {name_of(job): c for job, c in jobs.items()})
        train = {name_of(job): METHODS[job[1]].train for job in jobs}

        def do(run: "RunFolder", config: Config) -> None:
            train[run.path.relative_to(sweep.path).as_posix()](run, config)

        work(sweep, do, lambda: report(options, jobs, sweep))


def jobs_of(options: Options) -> dict[Job, Config]:
    """The runs, a seed after the other, so that there is soon something of every line.

    Raises:
        UserError: a level or method is unknown, or a method lacks an option that was typed.
    """
    from film_rl.run import UserError

    methods, levels = chosen(options.methods, METHODS, "--methods"), levels_of(options.tasks)
    lines = [
        (level, method, options.for_lessons(options.over(METHODS[method].config(level))))
        for level in levels
        for method in methods
    ]
    if options.lessons and not any(isinstance(one, ImitationConfig) for _, _, one in lines):
        raise UserError(
            f"--{next(iter(options.lessons))}: {', '.join(methods)} learns from no demonstrations; "
            "leave it out, or type --methods bc"
        )
    return {
        (level, method, seed): replace(config, seed=seed)
        for seed in options.all_seeds
        for level, method, config in lines
    }


def name_of(job: Job) -> str:
    """What its run is called."""
    level, method, seed = job
    return f"{level.name}/{method}/{seed}"


def report(options: Options, jobs: dict[Job, Config], sweep: "Sweep[Config]") -> None:
    """Print the table, draw the curves, write the rows, and say where all lies."""
    rows = list(rows_of(options, jobs, sweep))
    write_rows(rows, options.results)
    ids = {row["level"] for row in rows}
    print(f"\n{suite_table(rows, [level for level in LEVELS.values() if level.id in ids])}")
    for job in jobs:
        ended = sweep.outcome(name_of(job))
        if ended and "failed" in ended:
            print(f"{name_of(job)} failed: {ended['failed']}")
    if any(row["curve"] for row in rows):
        print(f"picture: {draw_curves(rows, sweep.path / 'curves.png')}")
    print(f"runs, each with its learning curve and film: {sweep.path}")
    print(f"rows: {options.results}, {len(rows)} of {len(jobs)} runs", flush=True)


def rows_of(options: Options, jobs: dict[Job, Config], sweep: "Sweep[Config]") -> Iterator[Row]:
    """A row of docs/results/babyai.json for each finished run."""
    for job, config in jobs.items():
        run, (level, method, _) = sweep.runs[name_of(job)], job
        words = ["--tasks", level.name, "--methods", method]
        if isinstance(config, ImitationConfig):
            for name, value in options.lessons.items():
                words += [f"--{name}", str(value)]
        if summary := run.summary():
            yield row_of(run, config, summary, level, method) | {
                "command": options.command("babyai_suite", *words)
            }


def row_of(run: "RunFolder", config: Config, summary: Row, level: Level, method: str) -> Row:
    """A finished run as a row, but for its command."""
    from paper_rows import written_on
    from report import curve

    from film_rl.run.metrics import read_metrics

    sampled, argmax = summary["sampled"], summary["argmax"]["overall"]
    return {
        "level": level.id,
        "method": method,
        "engine": getattr(config, "engine", "minigrid"),  # demonstrations are minigrid's
        "seed": config.seed,
        "success_rate": sampled["overall"]["success_rate"],
        "success_ci95": sampled["overall"]["success_ci95"],
        "argmax_rate": argmax["success_rate"],
        "argmax_ci95": argmax["success_ci95"],
        "episodes": sampled["overall"]["episodes"],
        "unsolvable": sampled["unsolvable"],
        "training_episodes": (
            summary.get("training_episodes") or summary.get("advised_episodes") or None
        ),
        "demonstrations": summary.get("demonstrations"),
        "timesteps": summary.get("timesteps"),
        "wall_seconds": summary["wall_seconds"],
        "curve": curve(read_metrics(run.path)),
        "hardware": summary["device"],
        "date": written_on(run),
        "commit": summary["commit"],
        "measured": True,
    }


if __name__ == "__main__":
    main()
