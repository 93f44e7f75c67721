"""What worlds are given, looked at before anything changes."""

from typing import Any

from envs.errors import EnvError

TENSORS = ("cells", "record", "episode", "visits", "left", "ended")


def check_number(num_envs: int, levels: int, autoreset: bool) -> None:
    """EnvError unless so many worlds can begin on so many levels."""
    if num_envs < 1:
        raise EnvError(f"{num_envs} worlds; expected 1 or more: type num_envs=64, for example")
    if levels < 1:
        raise EnvError(
            "the bank holds no level; expected 1 or more: type LevelBank.generate(task, count=64), "
            "and if only_solvable() left none, more levels or another task"
        )
    if not autoreset and num_envs > levels:
        raise EnvError(
            f"{num_envs} worlds without autoreset, each on its own level, but the bank holds "
            f"{levels}; give a larger bank, or type num_envs={levels} or less"
        )


def check_state(state: dict[str, Any], mine: dict[str, Any]) -> None:
    """EnvError unless a state is of as many worlds and levels as `mine`."""
    for name in (*TENSORS, "sentences"):
        if name not in state:
            raise EnvError(f"a state of worlds holds {', '.join(mine)}; this one has no {name}")
    for name in TENSORS:
        expected, given = mine[name], state[name]
        if given.shape != expected.shape or given.dtype != expected.dtype:
            raise EnvError(
                f"the state's {name} is {given.dtype} {tuple(given.shape)}, of these worlds "
                f"{expected.dtype} {tuple(expected.shape)}; make as many worlds on the same bank"
            )
