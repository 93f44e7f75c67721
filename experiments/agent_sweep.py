"""What the scripts that train many agents have in common: their options, their work, their rows."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import tyro
from babyai_levels import LEVELS, Level
from commands import changed, typed

from agents.config import AgentConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder, Sweep

C = TypeVar("C")

FREE = ("device",)  # may differ between two workers of a folder


@dataclass(frozen=True)
class AgentSweepOptions(AgentConfig):
    """Which runs and where they live; what is typed of an agent's options holds for all of them."""

    instr: tyro.conf.Suppress[tuple[str, ...]] = ()
    """The scripts decide what is trained on."""
    level: tyro.conf.Suppress[str | None] = None
    """As `instr`."""
    mixture: tyro.conf.Suppress[tuple[str, ...]] = ()
    """As `instr`."""
    hold_out: tyro.conf.Suppress[tuple[str, ...]] = ()
    """As `instr`."""
    room_size: tyro.conf.Suppress[int | None] = None
    """As `instr`."""
    distractors: tyro.conf.Suppress[int | None] = None
    """As `instr`."""
    seeds: int = 3
    """Trainings of each line, with the seeds from --seed on."""
    run: Path | None = None
    """The folder of all runs; one below runs/ when not given. It may be shared: each process that
    is given the same command does runs that no other does."""

    @property
    def all_seeds(self) -> range:
        """Of the trainings of each line."""
        return range(self.seed, self.seed + self.seeds)

    @property
    def base(self) -> AgentConfig:
        """What is typed of an agent's options, as a configuration."""
        return AgentConfig(
            **{field.name: getattr(self, field.name) for field in fields(AgentConfig)}
        )

    def over(self, config: C) -> C:
        """The configuration with what is typed in the place of its own.

        Raises:
            UserError: it has no such option.
        """
        from film_rl.run import UserError

        given = {
            option.replace("-", "_"): value
            for option, value in changed(self.base, AgentConfig(), without=("seed",))
        }
        if missing := given.keys() - {field.name for field in fields(config)}:  # type: ignore[arg-type]
            listed = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(missing))
            raise UserError(f"{listed}: {type(config).__name__} has no such option; leave it out")
        return replace(config, **given)  # type: ignore[type-var]

    def command(self, script: str, *chosen: str) -> str:
        """The command that makes one line, but for its seeds."""
        words = typed(self.base, AgentConfig(), without=("seed",))
        return shlex.join(["python", f"experiments/{script}.py", *chosen, *words])


def open_sweep(options: AgentSweepOptions, name: str, configs: Mapping[str, Any]) -> "Sweep[Any]":
    """The sweep in --run or runs/NAME, once every configuration has been found sound.

    Raises:
        UserError: an option makes no sense, or the folder holds another sweep.
    """
    from agents.learner import check, check_agent
    from film_rl.run import Sweep, UserError

    if options.seeds < 1:
        raise UserError(f"--seeds {options.seeds}; expected 1 or more")
    for run, config in configs.items():
        if config.seed == options.seed:
            try:
                if isinstance(config, AgentConfig):
                    check(config)
                else:  # whether there are demonstrations is found when their turn comes
                    check_agent(config)
            except UserError as error:
                raise UserError(f"{run}: {error}") from None
    base = replace(options.base, seed=0)
    return Sweep(options.run or Path("runs") / name, base, configs, FREE)


def work(
    sweep: "Sweep[C]", do: "Callable[[RunFolder, C], object]", report: Callable[[], object]
) -> None:
    """Do all runs of a sweep or go on with them, then report; also where a signal stops it."""
    from film_rl.run import Interrupted

    print(f"{len(sweep.runs)} runs in {sweep.path}, {len(sweep.left())} left", flush=True)
    try:
        sweep.work(do)
    except (Interrupted, KeyboardInterrupt):
        report()
        print("stopped; the same command goes on")
        raise
    report()


def chosen(given: Sequence[str], known: Mapping[str, Any], option: str) -> list[str]:
    """The names that were typed, or all; UserError for one that there is none of."""
    from film_rl.errors import did_you_mean
    from film_rl.run import UserError

    for name in given:
        if name not in known:
            raise UserError(
                f"{option} {name}: there is no such one{did_you_mean(name, known)} "
                f"(there are {', '.join(known)})"
            )
    return list(given or known)


def levels_of(given: Sequence[str]) -> list[Level]:
    """The levels by their names or ids, or all; UserError for one that there is none of."""
    names = [name.removeprefix("BabyAI-").removesuffix("-v0") for name in given]
    return [LEVELS[name] for name in chosen(names, LEVELS, "--tasks")]


def train_and_assess(run: "RunFolder", config: AgentConfig) -> None:
    """Train an agent to its end and evaluate it, without a film."""
    from agents.finish import finish
    from agents.training import train

    learner, seconds = train(config, run)
    finish(config, run, learner, seconds, film=False)
