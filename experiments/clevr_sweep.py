"""What clevr_ablations.py and clevr_systems.py have in common: many trainings, and their table."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import cli
from agent_sweep import work
from clevr_train import train_and_finish, typed_preset
from commands import typed, without_places
from paper_rows import PAPER, check_rows

from vqa.config import PRESETS, VQAConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder

T = TypeVar("T", bound="SweepOptions")

Preset = Literal["small", "paper", "fast"]

FREE = ("device", "workers", "cache")  # what a run computes does not depend on them


@dataclass(frozen=True)
class SweepOptions(VQAConfig):
    """A network and its training, to be varied; and where the runs live."""

    preset: Preset = "small"
    """The defaults of the options of network and training."""
    seeds: int = 3
    """Trainings of each line, with the seeds from --seed on."""
    run: Path | None = None
    """The folder of all runs; runs/clevr-sweep-PRESET when not given. It may be shared: each
    process that is given the same command does runs that no other does."""
    results: Path = PAPER
    """The file that the rows of the tables go to."""

    @property
    def base(self) -> VQAConfig:
        """What is varied."""
        return VQAConfig(**{name: getattr(self, name) for name in VQAConfig.__dataclass_fields__})


@dataclass(frozen=True)
class Line:
    """A line of a table: a network and what was published of it."""

    part: str
    what: str
    runs: str
    """What its runs are called; lines that are one network share them."""
    config: VQAConfig
    """All but the seed."""
    published: Any
    """As in paper_rows.py."""
    command: str
    """How to make this line alone."""


def read_options(options_class: type[T], description: str) -> T:
    """The command line; what it does not say is the preset's, without the baseline of each run."""
    preset = typed_preset()
    return cli.parse(options_class, description, options_class(**defaults(preset), preset=preset))


def defaults(preset: str) -> dict[str, Any]:
    """The options of network and training where nothing is typed."""
    return {**vars(PRESETS[preset]()), "baseline_steps": 0}


def command(script: str, options: SweepOptions, *chosen: str) -> str:
    """The command that makes one line, but for where its files lie and on which device."""
    words = ["--preset", options.preset] if options.preset != "small" else []
    words += ["--seeds", str(options.seeds)] if options.seeds != SweepOptions.seeds else []
    words += typed(
        without_places(options.base), VQAConfig(**defaults(options.preset)), without=FREE
    )
    return shlex.join(["python", f"experiments/{script}.py", *chosen, *words])


def run_sweep(options: SweepOptions, lines: Sequence[Line]) -> None:
    """Do all runs of the lines, or go on with them; then print, draw and write the tables.

    Raises:
        UserError: an option makes no sense, or the folder holds another sweep.
        Interrupted: a signal came; the tables so far are printed first.
    """
    from sweep_tables import report

    from film_rl.run import Sweep, UserError

    if options.seeds < 1:
        raise UserError(f"--seeds {options.seeds}; expected 1 or more")
    check_rows(options.results)
    check_lines(lines)
    seeds = range(options.seed, options.seed + options.seeds)
    # A seed after the other, so that there is soon something of every line.
    configs = {
        f"{line.runs}/{seed}": replace(line.config, seed=seed) for seed in seeds for line in lines
    }
    folder = options.run or Path("runs") / f"clevr-sweep-{options.preset}"
    sweep = Sweep(folder, replace(options.base, seed=0), configs, FREE)
    work(sweep, train, lambda: report(sweep, lines, seeds, options.results))


def check_lines(lines: Sequence[Line]) -> None:
    """Refuse what cannot be trained before anything is; UserError."""
    from film_rl.run import UserError
    from vqa.check import check

    for config, what in {line.config: line.what for line in lines}.items():
        try:
            check(config)
        except UserError as error:
            raise UserError(f"{what}: {error}") from None


def train(run: "RunFolder", config: VQAConfig) -> None:
    """Train one network to its end, as clevr_train.py does, and evaluate it."""
    from film_rl.run import Team

    train_and_finish(run, config, Team())
    summary = run.summary() or {}
    print(f"{summary['accuracy']:.1%} of {summary['questions']:,} held-out questions", flush=True)
