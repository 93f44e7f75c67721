"""Success of imitation against the number of demonstrations: many runs in one folder, a picture.

    python experiments/babyai_imitation_curve.py --demos demos/babyai-gotolocal-v0
    python experiments/babyai_imitation_curve.py --demos demos/babyai-pickuploc-v0 \
        --numbers 1000 5000 20000 --seeds 3

Every run makes as many updates. The same command goes on with what was begun; several processes may
share the folder. Writes curve.json and curve.png into it.
"""

from collections import defaultdict
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
import tyro
from babyai_imitate import train_and_finish

from agents.config import ImitationConfig

if TYPE_CHECKING:
    from film_rl.run import Sweep

FREE = ("device", "demos")  # what a run computes does not depend on them


@dataclass(frozen=True)
class Options(ImitationConfig):
    """An agent and its training; how many demonstrations, how often, and where."""

    numbers: tuple[int, ...] = (1_000, 2_000, 5_000, 10_000)
    """Numbers of demonstrations: the first so many of the folder."""
    seeds: int = 1
    """Trainings with each number, with the seeds from --seed on."""
    run: Path | None = None
    """The folder of all runs; runs/imitation-curve-of-TASK when not given."""
    demonstrations: tyro.conf.Suppress[int] = 0
    """Not to be typed: --numbers says how many."""


def main() -> None:
    """Train all, then tell and draw."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import Sweep
        from film_rl.run.files import to_json, write_atomically
        from film_rl.run.folder import slug

        configs = configs_of(options)
        base = replace(next(iter(configs.values())), demonstrations=0)
        task = " ".join(base.instr) or str(base.level)
        folder = options.run or Path("runs") / slug(f"imitation curve of {task}")
        sweep = Sweep(folder, base, configs, FREE)
        print(f"{len(configs)} runs in {folder}, {len(sweep.left())} left", flush=True)
        sweep.work(train_and_finish)
        rows = rows_of(sweep)
        show(rows)
        write_atomically(folder / "curve.json", to_json(rows))
        picture = draw(rows, task, folder / "curve.png")
        print(f"picture: {picture}\nfigures: {folder / 'curve.json'}")


def configs_of(options: Options) -> dict[str, ImitationConfig]:
    """All runs by name; UserError where one cannot be done."""
    from agents.demos import completed
    from film_rl.run import UserError

    if options.seeds < 1 or not options.numbers:
        raise UserError("nothing is asked for; type --seeds 1 --numbers 1000 2000 5000 10000")
    base = ImitationConfig(**{f.name: getattr(options, f.name) for f in fields(ImitationConfig)})
    seeds = range(options.seed, options.seed + options.seeds)
    return {
        f"{number}/{seed}": completed(replace(base, demonstrations=number, seed=seed))
        for seed, number in product(seeds, sorted(options.numbers))
    }


def rows_of(sweep: "Sweep[ImitationConfig]") -> list[dict[str, Any]]:
    """The figures of each run that has not failed."""
    rows = []
    for name, run in sweep.runs.items():
        if summary := run.summary():
            rows.append(
                {
                    "task": summary["task"],
                    "demonstrations": summary["demonstrations"],
                    "advised_episodes": summary["advised_episodes"],
                    "seed": sweep.configs[name].seed,
                    "sampled": summary["sampled"]["overall"],
                    "argmax": summary["argmax"]["overall"],
                    "wall_seconds": summary["wall_seconds"],
                    "device": summary["device"],
                }
            )
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print a line a run."""
    from rich.console import Console
    from rich.table import Table

    table = Table("demonstrations", "seed", "sampled", "95% interval", "argmax", "seconds")
    for row in rows:
        table.add_row(
            f"{row['demonstrations']:,}",
            str(row["seed"]),
            f"{row['sampled']['success_rate']:.1%}",
            "{:.1%} - {:.1%}".format(*row["sampled"]["success_ci95"]),
            f"{row['argmax']['success_rate']:.1%}",
            f"{row['wall_seconds']:.0f}",
        )
    Console().print(table)


def draw(rows: list[dict[str, Any]], task: str, path: Path) -> Path:
    """Success over the number of demonstrations: a line of means, every run a dot; the PNG."""
    from statistics import mean

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.8), dpi=110, layout="constrained")
    axes = figure.subplots()
    for how, color, marker in (("sampled", "#0072b2", "o"), ("argmax", "#e69f00", "s")):
        runs: dict[int, list[float]] = defaultdict(list)
        for row in rows:
            runs[row["demonstrations"]].append(100 * row[how]["success_rate"])
        axes.plot(list(runs), [mean(r) for r in runs.values()], color=color, label=f"{how} actions")
        for number, rates in runs.items():
            axes.plot([number] * len(rates), rates, marker, color=color, alpha=0.6)
    axes.axhline(99, color="#999999", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    ticks = sorted({row["demonstrations"] for row in rows})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("demonstrations of the bot")
    axes.set_ylabel("success in fresh worlds (%)")
    axes.set_title(f"{task}: imitation", fontsize=11)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="lines: means; marks: runs; dashed: 99%")
    figure.savefig(path)
    return path


if __name__ == "__main__":
    main()
