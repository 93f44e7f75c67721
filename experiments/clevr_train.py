"""Train FiLM to answer questions about images; evaluate it beside a baseline that sees nothing.

    python experiments/clevr_train.py
    python experiments/clevr_train.py --system mac
    python experiments/clevr_train.py --data CLEVR_v1.0 --preset fast
    python experiments/clevr_train.py --data CLEVR_v1.0 --preset paper --run runs/paper
    python experiments/clevr_train.py --run runs/clevr-small --resume
    python experiments/clevr_train.py --start runs/clevr-small --tune film --data FOLDER --steps 500
    torchrun --nproc-per-node 8 -- experiments/clevr_train.py --data CLEVR_v1.0 --preset fast

The preset `small` (the default) makes its own data and takes under ten minutes on two CPU cores;
`paper` is the paper's network and training; `fast` the same network with large batches. With
--system another system is trained in FiLM's place, with the sizes that the preset has for it; with
--start a trained network is fine-tuned: all options not typed are then that run's.
"""

import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cli
from kinds import run_of
from training_run import RunOptions, open_run, typed, wanted_config

from vqa.config import PRESETS, VQAConfig
from vqa.sizes import preset_for

if TYPE_CHECKING:
    from film_rl.run import RunFolder, Team


@dataclass(frozen=True)
class Options(RunOptions, VQAConfig):
    """A training run, and where it lives."""

    preset: Literal["small", "paper", "fast"] = "small"
    """The defaults of all other options."""


def main() -> None:
    """Train (or go on training), then evaluate and draw."""
    options = read_options()
    with cli.exit_status():
        from film_rl.run.accelerated import join_team
        from vqa.batches import check_division
        from vqa.check import check
        from vqa.fine_tune import check_start

        if options.start and not options.resume:
            options = options_of_start(options)
        config = wanted_config(options, VQAConfig)
        check(config)
        if not options.resume:
            check_start(config)
        with join_team(config.device) as team:
            check_division(config, team.part[1])
            together(options, config, team)


def together(options: Options, config: VQAConfig, team: "Team") -> None:
    """The part of the work in which the processes of a team know of each other."""
    from film_rl.run import RunFolder

    path = str(open_run(options, config, f"clevr {options.preset}").path) if team.first else ""
    run = RunFolder(team.told(path))
    with run if team.first else nullcontext():
        if team.first:
            print(f"run folder: {run.path}", flush=True)
        if run.summary() is None:
            train_and_finish(run, config, team)
        if team.first:
            report(run)


def read_options() -> Options:
    """The command line; what it does not say is the preset's for the system."""
    preset = typed_preset()
    default = Options(**vars(preset_for(preset, typed("--system", "film"))), preset=preset)
    return cli.parse(Options, __doc__ or "", default)


def options_of_start(options: Options) -> Options:
    """The command line read again: what it does not say is the run's from which training starts.

    Raises:
        UserError: there is no such run; a preset is typed too.
    """
    from film_rl.run import UserError
    from vqa.fine_tune import continued

    if options.preset != "small":
        raise UserError(
            f"--preset {options.preset} and --start {options.start}: the options are those of the "
            "run to start from; leave --preset out"
        )
    start = run_of("question answerer", str(options.start), "--start")
    default = Options(**vars(continued(start.config(VQAConfig), start.path)))
    return cli.parse(Options, __doc__ or "", default)


def typed_preset() -> Literal["small", "paper", "fast"]:
    """The preset on the command line, before the rest is read: it is the rest's default."""
    name = typed("--preset", "small")
    return name if name in PRESETS else "small"  # type: ignore[return-value]


def train_and_finish(run: "RunFolder", config: VQAConfig, team: "Team") -> None:
    """Make or read the data and train to the end; the first process then evaluates and draws."""
    from film_rl.run import Interrupted, NonFiniteError, write_origin
    from vqa.fine_tune import begin
    from vqa.finish import finish
    from vqa.prepare import to_split, train_split, training_data
    from vqa.training import train

    began = time.monotonic()
    with team.first_goes_ahead():
        train_data, val_data, first = training_data(config)
    learner, vocabulary, origin = begin(config, train_data, run)
    splits = train_split(train_data, first, vocabulary), to_split(val_data, vocabulary)
    seconds = {"data": time.monotonic() - began}
    learner.join(team)
    if not team.first:
        with suppress(Interrupted, NonFiniteError):  # the first process tells
            train(config, *splits, learner, run)
            team.leave()
        return
    vocabulary.save(run.path / "vocab.json")
    write_origin(run, origin)
    print(
        f"training on {len(train_data):,} questions about {len(train_data.images):,} images",
        flush=True,
    )
    try:
        seconds["training"] = train(config, *splits, learner, run)
    except Interrupted:
        print(f"saved; go on with: {_launcher(team)} --run {run.path} --resume", flush=True)
        raise
    team.leave()
    print("evaluating, training the question-only baseline and drawing ...", flush=True)
    finish(config, run, learner, vocabulary, splits[0], (val_data, splits[1]), seconds)


def _launcher(team: "Team") -> str:
    processes = team.part[1]
    # Without the -- torchrun takes --run for its own --run-path.
    launcher = "python" if processes == 1 else f"torchrun --nproc-per-node {processes} --"
    return f"{launcher} experiments/clevr_train.py"


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


if __name__ == "__main__":
    main()
