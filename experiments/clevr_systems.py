"""Table 1: every system that answers questions, by one trainer and one evaluation.

    python experiments/clevr_systems.py --seeds 1
    python experiments/clevr_systems.py --systems film sa cnn_lstm lstm
    python experiments/clevr_systems.py --data CLEVR_v1.0 --preset fast --device cuda

Each system is trained with several seeds; options that are typed hold for all systems, what is not
typed is the preset's for the system. Killed and started again with the same command it goes on;
what is finished never runs again. A second process with the same command shares the work, on this
machine or on another one that sees the folder. It ends with a table beside the published numbers,
a picture, and rows in docs/results/paper.json. Networks that clevr_ablations.py has too
(film, scale, bias, none) are trained once for both.

Expected at small scale: FiLM above SA, CNN+LSTM and LSTM by more than the spread of the seeds. A
training takes about as long as clevr_train.py's, of some systems up to three times as long.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import cli
import tyro
from clevr_sweep import Line, SweepOptions, command, defaults, read_options, run_sweep

from vqa.config import VQAConfig


@dataclass(frozen=True)
class Options(SweepOptions):
    """Which systems; and the training that they have in common."""

    systems: tuple[str, ...] = ()
    """Only these, such as film mac lstm; all when not given."""
    system: tyro.conf.Suppress[str] = "film"
    """Not to be typed: --systems says which."""


def main() -> None:
    """Train all systems, then tell."""
    options = read_options(Options, __doc__ or "")
    with cli.exit_status():
        run_sweep(options, lines_of(options))


def lines_of(options: Options) -> list[Line]:
    """The systems asked for; UserError for one that there is none of."""
    from vqa.evaluation import COLUMNS, PUBLISHED
    from vqa.systems import SYSTEMS, check_name

    for name in options.systems:
        check_name(name, "--systems")
    lines = []
    for name in options.systems or SYSTEMS:
        row = PUBLISHED.get(SYSTEMS[name].published or "", ())
        published = {c: number for c, number in zip(COLUMNS, row, strict=False) if number}
        lines.append(
            Line(
                part="table 1",
                what=SYSTEMS[name].title,
                runs=name,
                config=config_of(options, name),
                published=published or None,
                command=command("clevr_systems", options, "--systems", name),
            )
        )
    return lines


def config_of(options: SweepOptions, system: str) -> VQAConfig:
    """What is typed, and else the preset for this system."""
    from vqa.sizes import preset_for

    base, default = options.base, defaults(options.preset)
    typed: dict[str, Any] = {
        field.name: getattr(base, field.name)
        for field in fields(base)
        if getattr(base, field.name) != default[field.name]
    }
    own = preset_for(options.preset, system)
    return replace(own, **{"baseline_steps": default["baseline_steps"], **typed})


if __name__ == "__main__":
    main()
