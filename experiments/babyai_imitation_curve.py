"""Success of imitation against the number of demonstrations: many runs in one folder, a picture.

    python experiments/babyai_imitation_curve.py --demos demos/babyai-gotolocal-v0
    python experiments/babyai_imitation_curve.py --demos demos/babyai-pickuploc-v0 \
        --numbers 1000 5000 20000 --seeds 3

Every run makes as many updates. The same command goes on with what was begun; several processes may
share the folder. It ends with a table, curve.png in the folder, and rows in
docs/results/babyai_studies.json.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
import tyro
from agent_lines import overall, success
from agent_sweep import work
from babyai_imitate import train_and_finish
from commands import typed
from paper_rows import STUDIES, check_rows, of_runs, write_rows
from row_tables import table

from agents.config import ImitationConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder, Sweep

FREE = ("device", "demos")  # what a run computes does not depend on them
TASK = ("instr", "level", "room_size", "distractors")  # the demonstrations say it


@dataclass(frozen=True)
class Options(ImitationConfig):
    """An agent and its training; how many demonstrations, how often, and where."""

    numbers: tuple[int, ...] = (1_000, 2_000, 5_000, 10_000)
    """Numbers of demonstrations: the first so many of the folder."""
    seeds: int = 1
    """Trainings with each number, with the seeds from --seed on."""
    run: Path | None = None
    """The folder of all runs; runs/imitation-curve-of-TASK when not given."""
    results: Path = STUDIES
    """The file that the rows go to."""
    demonstrations: tyro.conf.Suppress[int] = 0
    """Not to be typed: --numbers says how many."""

    @property
    def all_seeds(self) -> range:
        """Of the trainings with each number."""
        return range(self.seed, self.seed + self.seeds)


def main() -> None:
    """Train all, then tell and draw."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import Sweep
        from film_rl.run.folder import slug

        check_rows(options.results)  # now, not only after the trainings
        configs = configs_of(options)
        base = replace(next(iter(configs.values())), demonstrations=0)
        task = " ".join(base.instr) or str(base.level)
        folder = options.run or Path("runs") / slug(f"imitation curve of {task}")
        sweep = Sweep(folder, base, configs, FREE)
        work(sweep, train_and_finish, lambda: report(options, task, sweep))


def configs_of(options: Options) -> dict[str, ImitationConfig]:
    """All runs by name; UserError where one cannot be done."""
    from agents.demos import completed
    from film_rl.run import UserError

    if options.seeds < 1 or not options.numbers:
        raise UserError("nothing is asked for; type --seeds 1 --numbers 1000 2000 5000 10000")
    if min(options.numbers) < 2:
        raise UserError(
            f"--numbers {min(options.numbers)}; expected 2 or more, one of which is held out"
        )
    base = ImitationConfig(**{f.name: getattr(options, f.name) for f in fields(ImitationConfig)})
    return {
        f"{number}/{seed}": completed(replace(base, demonstrations=number, seed=seed))
        for seed, number in product(options.all_seeds, sorted(options.numbers))
    }


def report(options: Options, task: str, sweep: "Sweep[ImitationConfig]") -> None:
    """Print the table, draw it, write a row for each number whose runs are done."""
    from imitation_picture import draw

    rows = []
    for number in sorted(options.numbers):
        names = [f"{number}/{seed}" for seed in options.all_seeds]
        runs = [sweep.runs[name] for name in names if sweep.outcome(name)]
        if len(runs) == options.seeds and any(run.summary() for run in runs):
            rows.append(row_of(sweep.configs[names[0]], task, runs))
    write_rows(rows, options.results)
    if rows:
        print(f"\n{table(rows)}\npicture: {draw(rows, sweep.path / 'curve.png')}")
    print(f"runs: {sweep.path}\nrows: {options.results}, {len(rows)} of {len(options.numbers)}")


def row_of(config: ImitationConfig, task: str, runs: "Sequence[RunFolder]") -> dict[str, Any]:
    """What a number of demonstrations led to, as a row of docs/results/babyai_studies.json."""
    from imitation_picture import PART

    name = task.removeprefix("BabyAI-").removesuffix("-v0")
    taught = f"{config.rounds} rounds of DAgger, " if config.rounds else ""
    untyped = ("demos", "demonstrations", "seed", *TASK)
    words = [
        *("python", "experiments/babyai_imitation_curve.py"),
        *("--demos", f"demos/{Path(config.demos).resolve().name}"),
        *("--numbers", str(config.demonstrations)),
        *typed(config, ImitationConfig(), without=untyped),
    ]
    seconds = [summary["wall_seconds"] for run in runs if (summary := run.summary())]
    return of_runs(
        f"{PART}{name}",
        f"{config.demonstrations:,} demonstrations",
        None,
        {**success(overall(runs)), "seconds a run": round(max(seconds))},
        data=f"{taught}memory {config.memory}, {config.updates:,} updates",
        command=shlex.join(words),
        runs=runs,
    )


if __name__ == "__main__":
    main()
