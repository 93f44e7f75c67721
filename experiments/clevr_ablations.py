"""Take FiLM apart: every row of the paper's tables 2 and 3, and of its author's retrospective.

    python experiments/clevr_ablations.py --table 2
    python experiments/clevr_ablations.py --variant film no-residual depth-1 --seeds 1
    python experiments/clevr_ablations.py --table all --data CLEVR_v1.0 --preset fast --device cuda

Each row is a training like that of clevr_train.py, with several seeds. Killed and started again
with the same command it goes on; what is finished never runs again. A second process with the same
command shares the work, on this machine or on another one that sees the folder. It ends with a
table beside the published numbers, pictures, and rows in docs/results/paper.json.

Expected at small scale: most rows within a few points of each other, as in the paper. Without FiLM
in any block the question is never read, and what is left are the answers most frequent for such a
picture. A training takes as long as clevr_train.py's: on two cores under ten minutes. Rows that are
one network share their runs, with clevr_systems.py as well: `--table all` is 28 networks a seed at
small scale. The presets read pixels; so `raw-pixels` is `film`, unless features are asked for
(--inputs features --stem-layers 1 --shift 0).
"""

from dataclasses import dataclass
from typing import Literal

import cli
from clevr_sweep import Line, SweepOptions, command, read_options, run_sweep

from vqa.variants import VARIANTS, Part, run_name, variants_of


@dataclass(frozen=True)
class Options(SweepOptions):
    """Which rows; and the network and training that they vary."""

    table: Literal["2", "3", "retrospective", "all"] = "all"
    """The rows of a table."""
    variant: tuple[str, ...] = ()
    """Single rows in place of --table: film, beta-zero, no-residual, depth-8, ..."""


TABLES: dict[str, tuple[Part, ...]] = {
    "2": ("table 2",),
    "3": ("table 3",),
    "retrospective": ("retrospective",),
    "all": ("table 2", "table 3", "retrospective"),
}


def main() -> None:
    """Train what is asked for, then tell."""
    options = read_options(Options, __doc__ or "")
    with cli.exit_status():
        run_sweep(options, lines_of(options))


def lines_of(options: Options) -> list[Line]:
    """The rows asked for; UserError for a variant that there is none of."""
    from film_rl.errors import did_you_mean
    from film_rl.run import UserError

    for name in options.variant:
        if name not in VARIANTS:
            raise UserError(
                f"--variant {name}: there is no such row{did_you_mean(name, VARIANTS)} "
                f"(there are {', '.join(VARIANTS)})"
            )
    return [
        Line(
            part=VARIANTS[name].part,
            what=VARIANTS[name].title,
            runs=run_name(name, options.base),
            config=VARIANTS[name].change(options.base),
            published=VARIANTS[name].published,
            command=command("clevr_ablations", options, "--variant", name),
        )
        for name in options.variant or variants_of(TABLES[options.table])
    ]


if __name__ == "__main__":
    main()
