"""What the training scripts have in common: a new run folder, or going on with one."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cli

if TYPE_CHECKING:
    from film_rl.run import RunFolder

T = TypeVar("T")

MAY_CHANGE = ("device", "workers")  # what a run computes does not depend on them


@dataclass(frozen=True)
class RunOptions:
    """Where a training run lives."""

    run: Path | None = None
    """The run folder; a new one below runs/ when not given."""
    resume: bool = False
    """Go on with the run in --run, exactly as if it had never stopped."""


def wanted_config(options: Any, config_class: type[T], lists: tuple[str, ...] = ()) -> T:
    """What to train: as typed; with --resume the run's configuration, on the device typed.

    Args:
        options: the command line, a `RunOptions` with the fields of the configuration.
        config_class: the configuration's dataclass.
        lists: options that are typed once for each of their values, which add to the default.

    Raises:
        UserError: there is no such run, or it is of another configuration than was typed.
    """
    from film_rl.run import RunFolder, UserError, differences

    if not options.resume:
        return config_of(options, config_class)
    if options.run is None:
        raise UserError("--resume needs the run to go on with; type --run runs/NAME --resume")
    run = RunFolder.existing(options.run)
    saved: Any = run.config(config_class)
    # Read again with the run's own configuration as the default: what now differs was typed.
    default = dataclasses.replace(options, **{**vars(saved), **dict.fromkeys(lists, ())})
    typed: Any = config_of(cli.parse(type(options), "", default), config_class)
    given = {name: getattr(typed, name) or getattr(saved, name) for name in lists}
    typed = dataclasses.replace(typed, **given)
    free = {name: value for name, value in vars(typed).items() if name in MAY_CHANGE}
    config = dataclasses.replace(saved, **free)
    if changes := differences(config, typed):
        listed = "\n  ".join(changes)
        raise UserError(
            f"{run.path} holds a run of another configuration; leave these options out to go on "
            f"with it, or start a new one with another --run:\n  {listed}"
        )
    return config


def open_run(options: RunOptions, config: Any, name: str) -> "RunFolder":
    """The run to go on with, or a new folder: the one typed, or runs/NAME."""
    from film_rl.run import RunFolder

    if options.resume and options.run:
        return RunFolder.existing(options.run)
    if options.run:
        return RunFolder.create(options.run, config)
    return RunFolder.create_numbered(Path("runs"), name, config)


def typed(option: str, default: str) -> str:
    """What was typed for an option, looked at before the rest is read: it decides the defaults."""
    words = " ".join(sys.argv[1:]).replace("=", " ").split()
    return words[words.index(option) + 1] if option in words[:-1] else default


def config_of(options: Any, config_class: type[T]) -> T:
    """The options without those that only say where the run lives."""
    fields = dataclasses.fields(config_class)  # type: ignore[arg-type]
    return config_class(**{field.name: getattr(options, field.name) for field in fields})
