"""What to type so that something is measured again: the commands that stand in rows."""

import shlex
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinds import kind_of

from agents.config import AgentConfig, ImitationConfig
from vqa.config import PRESETS, VQAConfig
from vqa.sizes import preset_for

if TYPE_CHECKING:
    from film_rl.run import RunFolder


APPENDED = ("instr", "hold_out")  # options of an agent typed once for each of their values


def of_agent(config: AgentConfig | ImitationConfig) -> str:
    """The command that repeats a run, but for its seed."""
    if config.init_from:
        config = replace(config, init_from=f"runs/{Path(config.init_from).resolve().name}")
    script = "babyai_ppo"
    if isinstance(config, ImitationConfig):
        script, config = "babyai_imitate", replace(config, demos=f"demos/{Path(config.demos).name}")
    words = ["python", f"experiments/{script}.py"]
    for name in APPENDED:
        for one in getattr(config, name):
            words += [f"--{name.replace('_', '-')}", one]
    words += typed(config, type(config)(), without=("seed", *APPENDED))
    return shlex.join(words)


def answerer_options(config: VQAConfig) -> list[str]:
    """What to type after clevr_train.py for such a run, but for its seed; the shortest way."""
    ways = []
    for name in PRESETS:
        words = ["--preset", name] if name != "small" else []
        # The system is typed too, and the rest of the defaults is the preset's for it.
        default = replace(preset_for(name, config.system), system=VQAConfig.system)
        ways.append(words + typed(config, default, without=("seed", "cache")))
    return min(ways, key=len)


def on_run(run: "RunFolder", script: str, *words: str) -> str:
    """The commands that train such a run, and then call a script with it.

    Folders are called by their names alone: where they lie is a matter of the machine.

    Raises:
        UserError: the run was fine-tuned, and the one it started from is no more.
    """
    name = _name(run)
    last = shlex.join(["python", f"experiments/{script}.py", "--run", name, *words])
    return f"{_training(run)} --run {name} && {last}"


def _training(run: "RunFolder") -> str:
    from agents.learner import config_of
    from film_rl.run import RunFolder
    from vqa.fine_tune import continued

    if kind_of(run) == "agent":
        agent = config_of(run)
        first = ""
        if agent.init_from:
            start = RunFolder.existing(agent.init_from)
            first = f"{_training(start)} --run {_name(start)} && "
        return first + of_agent(agent) + _seed(agent.seed)
    config = without_places(run.config(VQAConfig))
    if config.start is None:
        options = answerer_options(config)
        return shlex.join(["python", "experiments/clevr_train.py", *options]) + _seed(config.seed)
    start = RunFolder.existing(config.start)
    name = _name(start)
    default = without_places(continued(start.config(VQAConfig), start.path))
    words = ["--start", name, *typed(config, default, without=("start", "cache"))]
    tuning = shlex.join(["python", "experiments/clevr_train.py", *words])
    return f"{_training(start)} --run {name} && {tuning}"


def without_places(config: VQAConfig) -> VQAConfig:
    """The same with its data called by the folder's name."""
    return config if config.data is None else replace(config, data=Path(config.data).name)


def _name(run: "RunFolder") -> str:
    return f"runs/{run.path.resolve().name}"


def _seed(seed: int) -> str:
    return f" --seed {seed}" if seed else ""


def typed(config: Any, default: Any, without: tuple[str, ...]) -> list[str]:
    """What to type to make a configuration of the default."""
    words = []
    for option, value in changed(config, default, without):
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            several = value if isinstance(value, tuple) else (value,)
            words += [f"--{option}", *map(str, several)]
    return words


def changed(config: Any, default: Any, without: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The options that differ from the default, as they are typed, and their values."""
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name not in without and value != getattr(default, field.name):
            yield field.name.replace("_", "-"), value
