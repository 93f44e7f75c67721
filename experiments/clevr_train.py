"""Train FiLM to answer questions about images; evaluate it beside a baseline that sees nothing.

    python experiments/clevr_train.py
    python experiments/clevr_train.py --data CLEVR_v1.0 --preset fast
    python experiments/clevr_train.py --data CLEVR_v1.0 --preset paper --run runs/paper
    python experiments/clevr_train.py --run runs/clevr-small --resume

The preset `small` (the default) makes its own data and takes about ten minutes on two CPU cores;
`paper` is the paper's network and training; `fast` the same network with large batches.
"""

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cli

from vqa.config import PRESETS, VQAConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder


@dataclass(frozen=True)
class Options(VQAConfig):
    """A training run, and where it lives."""

    preset: Literal["small", "paper", "fast"] = "small"
    """The defaults of all other options."""
    run: Path | None = None
    """The run folder; a new one below runs/, named after the preset, when not given."""
    resume: bool = False
    """Go on with the run in --run, exactly as if it had never stopped."""


def main() -> None:
    """Train (or go on training), then evaluate and draw."""
    preset = _preset()
    default = Options(**vars(PRESETS[preset]()), preset=preset)
    options = cli.parse(Options, __doc__ or "", default)
    with cli.exit_status():
        run, config = resume_run(options) if options.resume else new_run(options)
        with run:
            print(f"run folder: {run.path}", flush=True)
            if run.summary() is None:
                train_and_finish(run, config)
            report(run)


def _preset() -> Literal["small", "paper", "fast"]:
    """The preset on the command line, before the rest is read: it is the rest's default."""
    typed = " ".join(sys.argv[1:]).replace("=", " ").split()
    name = typed[typed.index("--preset") + 1] if "--preset" in typed[:-1] else "small"
    return name if name in PRESETS else "small"  # type: ignore[return-value]


def new_run(options: Options) -> tuple["RunFolder", VQAConfig]:
    """A run folder made for these options, once they are known to work."""
    from film_rl.run import RunFolder
    from vqa.check import check

    config = vqa_config(options)
    check(config)
    if options.run:
        return RunFolder.create(options.run, config), config
    return RunFolder.create_numbered(Path("runs"), f"clevr {options.preset}", config), config


def resume_run(options: Options) -> tuple["RunFolder", VQAConfig]:
    """An existing run and its configuration; only the device may be another than it was."""
    from film_rl.run import RunFolder, UserError, differences
    from vqa.check import check

    if options.run is None:
        raise UserError("--resume needs the run to go on with; type --run runs/NAME --resume")
    run = RunFolder.existing(options.run)
    saved = run.config(VQAConfig)
    # Read again with the run's own configuration as the default: what now differs was typed.
    default = Options(**vars(saved), run=options.run, resume=True)
    typed = vqa_config(cli.parse(Options, __doc__ or "", default))
    config = dataclasses.replace(saved, device=typed.device, workers=typed.workers)
    if changes := differences(config, typed):
        listed = "\n  ".join(changes)
        raise UserError(
            f"{run.path} holds a run of another configuration; leave these options out to go on "
            f"with it, or start a new one with another --run:\n  {listed}"
        )
    check(config)
    return run, config


def train_and_finish(run: "RunFolder", config: VQAConfig) -> None:
    """Make or read the data, train to the end, then evaluate and draw."""
    from film_rl.run import Interrupted
    from vqa.finish import finish
    from vqa.prepare import fresh_learner, to_split, training_data, vocabulary_of
    from vqa.training import train

    began = time.monotonic()
    train_data, val_data = training_data(config)
    vocabulary = vocabulary_of(train_data)
    vocabulary.save(run.path / "vocab.json")
    train_split, val_split = to_split(train_data, vocabulary), to_split(val_data, vocabulary)
    seconds = {"data": time.monotonic() - began}
    print(
        f"training on {len(train_data):,} questions about {len(train_data.images):,} images",
        flush=True,
    )
    learner = fresh_learner(config, vocabulary)
    try:
        seconds["training"] = train(config, train_split, val_split, learner, run)
    except Interrupted:
        print(f"saved; go on with: python experiments/clevr_train.py --run {run.path} --resume")
        raise
    print("evaluating, training the question-only baseline and drawing ...", flush=True)
    finish(config, run, learner, vocabulary, train_split, (val_data, val_split), seconds)


def report(run: "RunFolder") -> None:
    """Print the final figures and where everything lies."""
    summary = run.summary() or {}
    blind = summary["question_only"]
    print(f"\n{summary['accuracy']:.1%} of {summary['questions']:,} held-out questions right")
    for name, row in summary["evaluation"]["category"].items():
        print(f"  {name:20s} {row['accuracy']:.1%} of {row['questions']:,}")
    if blind is not None:
        gain = 100 * (summary["accuracy"] - blind)
        print(f"the question-only LSTM: {blind:.1%}; looking at the image gains {gain:.1f} points")
    print(f"images swapped between scenes: {summary['images_swapped']:.1%}")
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in summary["seconds"].items())
    print(f"{seconds}; {summary['steps']:,} steps on {summary['device']}")
    for name, file in {**summary["files"], "summary": "summary.json"}.items():
        print(f"  {name:15s} {run.path / file}")


def vqa_config(options: Options) -> VQAConfig:
    """The options without those that only say where the run lives."""
    fields = dataclasses.fields(VQAConfig)
    return VQAConfig(**{field.name: getattr(options, field.name) for field in fields})


if __name__ == "__main__":
    main()
