"""How accuracy grows with the training data: FiLM and MAC on 10, 25, 50 and 100% of the images.

    python experiments/clevr_data_efficiency.py --seeds 1
    python experiments/clevr_data_efficiency.py --data CLEVR_v1.0 --preset fast --device cuda

Claim: with little data MAC is far ahead. Hudson and Manning 2018 found 86% with a tenth of CLEVR,
where FiLM, PG+EE and SA stay at 51.6% or below; 95.4% and 50 to 77% with a quarter; 97.9% and 70 to
92% with a half.

The rule: a share is the first images of the training split, in the order of their indices, each
with all its questions; of generated data also that share of the images of one or two objects with
which training begins. All shares take equally many gradient steps, those of the whole data. What is
held out is the same for all. (Hudson and Manning drew their subsets at random.)

Killed and started again with the same command it goes on; a second process with the same command
shares the work (see clevr_ablations.py). Cost: shares x systems x seeds trainings like that of
clevr_train.py. Writes data-efficiency.json and .png into the folder of the runs, and rows.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import cli
import tyro
from clevr_sweep import FREE, SweepOptions, command, read_options, train
from clevr_systems import config_of
from paper_rows import check_rows, mean_of, of_runs, write_rows

from vqa.config import VQAConfig

if TYPE_CHECKING:
    from film_rl.run import Sweep

PUBLISHED: dict[str, Any] = {
    "film": "a curve in the retrospective: below MAC, most of all with little data",
    "mac": {"10%": 86.0, "25%": 95.4, "50%": 97.9, "100%": 98.9},
}

Curve = dict[float, list[float]]
"""By share of the images: accuracies in percent, a seed each."""


@dataclass(frozen=True)
class Options(SweepOptions):
    """Which shares and systems; and the training that they have in common."""

    shares: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    """Shares of the training images."""
    systems: tuple[str, ...] = ("film", "mac")
    """Which systems, such as film mac sa."""
    system: tyro.conf.Suppress[str] = "film"
    """Not to be typed: --systems says which."""
    train_share: tyro.conf.Suppress[float] = 1.0
    """Not to be typed: --shares says which."""


def main() -> None:
    """Train all, then tell and draw."""
    options = read_options(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import Sweep
        from film_rl.run.files import to_json, write_atomically

        check_rows(options.results)
        configs = configs_of(options)
        folder = options.run or Path("runs") / f"clevr-data-efficiency-{options.preset}"
        sweep = Sweep(folder, replace(options.base, seed=0), configs, FREE)
        print(f"{len(configs)} runs in {folder}, {len(sweep.left())} left", flush=True)
        sweep.work(train)
        curves = curves_of(options, sweep)
        show(curves)
        with sweep.alone():
            write_atomically(folder / "data-efficiency.json", to_json(curves))
            picture = draw(curves, folder / "data-efficiency.png")
        print(f"picture: {picture}")
        write_rows(rows_of(options, curves, sweep), options.results)
        print(f"rows: {options.results}")


def configs_of(options: Options) -> dict[str, VQAConfig]:
    """All runs by name; UserError for a share or a system that there is none of."""
    from film_rl.run import UserError
    from vqa.check import check
    from vqa.systems import check_name

    if options.seeds < 1:
        raise UserError(f"--seeds {options.seeds}; expected 1 or more")
    if not options.shares or not options.systems:
        raise UserError("nothing is asked for; type --shares 0.1 0.25 0.5 1.0 --systems film mac")
    for share in options.shares:
        if not 0 < share <= 1:
            raise UserError(f"--shares {share}: expected above 0, to 1, such as 0.1 0.25 0.5 1.0")
    for name in options.systems:
        check_name(name, "--systems")
    seeds = range(options.seed, options.seed + options.seeds)
    configs = {
        name_of(system, share, seed): replace(
            of_share(config_of(options, system), share), seed=seed
        )
        for seed, system, share in product(seeds, options.systems, options.shares)
    }
    for config in configs.values():
        check(config)
    return configs


def name_of(system: str, share: float, seed: int) -> str:
    """What a run is called: `mac-25/0`."""
    return f"{system}-{100 * share:g}/{seed}"


def of_share(config: VQAConfig, share: float) -> VQAConfig:
    """Training on a share of the images, for as many steps as on all of them."""
    epochs = config.epochs if config.steps else round(config.epochs / share)
    return replace(config, train_share=share, epochs=epochs)


def curves_of(options: Options, sweep: "Sweep[VQAConfig]") -> dict[str, Curve]:
    """The accuracies of all runs; those that failed are left out."""
    seeds = range(options.seed, options.seed + options.seeds)
    curves: dict[str, Curve] = {system: {} for system in options.systems}
    for system, share, seed in product(options.systems, sorted(options.shares), seeds):
        summary = sweep.runs[name_of(system, share, seed)].summary()
        if summary:
            curves[system].setdefault(share, []).append(100 * summary["accuracy"])
    return curves


def title_of(system: str) -> str:
    """A system's name in words."""
    from vqa.systems import SYSTEMS

    return SYSTEMS[system].title


def show(curves: dict[str, Curve]) -> None:
    """Print a line a system."""
    from rich.console import Console
    from rich.table import Table

    shares = sorted({share for curve in curves.values() for share in curve})
    table = Table("accuracy (%)", *(f"{100 * share:g}% of the images" for share in shares))
    for system, curve in curves.items():
        cells = (f"{mean(curve[share]):.1f}" if share in curve else "-" for share in shares)
        table.add_row(title_of(system), *cells)
    Console().print(table)


def rows_of(
    options: Options, curves: dict[str, Curve], sweep: "Sweep[VQAConfig]"
) -> list[dict[str, Any]]:
    """A row of docs/results/paper.json a system."""
    from sweep_tables import data_of

    seeds = range(options.seed, options.seed + options.seeds)
    shares = ["--shares", *map(str, options.shares)]
    of_all = [f"{100 * share:g}" for share in sorted(options.shares)]
    listed = f"{', '.join(of_all[:-1])} and {of_all[-1]}" if len(of_all) > 1 else of_all[0]
    return [
        of_runs(
            "data efficiency",
            f"{title_of(system)} with {listed}% of the data",
            PUBLISHED.get(system),
            figures(curve),
            data=data_of(config_of(options, system)),
            command=command("clevr_data_efficiency", options, *shares, "--systems", system),
            runs=[sweep.runs[name_of(system, *key)] for key in product(options.shares, seeds)],
        )
        for system, curve in curves.items()
        if curve
    ]


def figures(curve: Curve) -> dict[str, float]:
    """Mean accuracies by share, and their standard deviations."""
    found: dict[str, float] = {}
    for share, runs in curve.items():
        found |= mean_of(f"{100 * share:g}%", runs)
    return found


def draw(curves: dict[str, Curve], path: Path) -> Path:
    """Accuracy over the share of the images, a curve a system, every run a dot; the PNG's path."""
    from matplotlib.figure import Figure

    from film_rl.analysis.style import MARKERS, PALETTE, tidy

    figure = Figure(figsize=(7, 4.8), dpi=110, layout="constrained")
    axes = figure.subplots()
    for number, (system, curve) in enumerate(curves.items()):
        color, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
        shares = [100 * share for share in curve]
        means = [mean(runs) for runs in curve.values()]
        axes.plot(shares, means, color=color, marker=marker, label=title_of(system))
        for share, runs in zip(shares, curve.values(), strict=True):
            axes.plot([share] * len(runs), runs, ".", color=color, alpha=0.4)
    axes.set_xscale("log")
    ticks = sorted({100 * share for curve in curves.values() for share in curve})
    axes.set_xticks(ticks, [f"{tick:g}%" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("training images (the first ones, with all their questions)")
    axes.set_ylabel("held-out questions answered right (%)")
    axes.set_title("Data efficiency: as many gradient steps on every share", fontsize=11)
    tidy(axes)
    axes.legend(frameon=False, title="lines: means; dots: runs")
    figure.savefig(path)
    return path


if __name__ == "__main__":
    main()
