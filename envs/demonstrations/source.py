"""What demonstrations are of, and how the bot makes one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from envs.batched.generate import level_seed
from envs.batched.pack import pack
from envs.bot import Bot, BotError, Why
from envs.errors import EnvError
from envs.make import make_env


@dataclass(frozen=True)
class Source:
    """The worlds of demonstrations, and their seed.

    The bot meets the levels of an endless sequence; those it fails in are left out.

    Attributes:
        task: one level id, or one or several sentences; a tuple also when made of one string.
        room_size, distractors: for sentences; None takes the default (`envs.make_env`).
        seed: of the sequence.
        shard: levels of a shard, of which most become demonstrations.
    """

    task: str | Sequence[str]
    room_size: int | None = None
    distractors: int | None = None
    seed: int = 0
    shard: int = 128

    def __post_init__(self) -> None:
        task = (self.task,) if isinstance(self.task, str) else tuple(self.task)
        object.__setattr__(self, "task", task)
        if self.seed < 0 or self.shard < 1:
            raise EnvError(f"seed is {self.seed}, shard {self.shard}; type 0 or more, 1 or more")

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "Source":
        """The source that `to_json` was called on."""
        return cls(**facts)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"task": list(self.task)}

    def make_env(self) -> gym.Env:
        """A world of it, without our observations around; EnvError if there is none."""
        task = self.task[0] if len(self.task) == 1 else self.task
        sizes = {"room_size": self.room_size, "distractors": self.distractors}
        return make_env(task, **sizes).unwrapped  # type: ignore[arg-type]

    def check_worlds(self, other: "Source") -> None:
        """Raises EnvError unless both are of the same worlds, whatever their seeds."""
        if self.worlds != other.worlds:
            raise EnvError(
                f"the demonstrations are of {self.worlds}; expected {other.worlds}: type the "
                "folder of others, or make them with experiments/babyai_demos.py"
            )

    def __str__(self) -> str:
        return f"{self.worlds}, seed {self.seed}, shards of {self.shard} levels"

    @property
    def worlds(self) -> str:
        """The task and its options, in words."""
        sizes = {"room size": self.room_size, "distractors": self.distractors}
        given = [f"{name} {value}" for name, value in sizes.items() if value is not None]
        return ", ".join(["; ".join(self.task), *given])


class Episode(NamedTuple):
    """A demonstration of T steps.

    Attributes:
        seed: `env.reset(seed=seed)` is its level.
        mission: the sentence.
        image: uint8 (T, 7, 7, 3), what the bot saw before each of its actions.
        action: uint8 (T,).
    """

    seed: int
    mission: str
    image: np.ndarray
    action: np.ndarray


def demonstrate(world: gym.Env, source: Source, index: int) -> Episode | Why:
    """Level `index` of the sequence as the bot plays it, or why that is no demonstration."""
    seed = level_seed(source.seed, index)
    try:
        return _played(world, seed)
    except BotError as error:
        world.reset(seed=seed)
        return error.why if pack(world).solvable else Why.UNSOLVABLE


def _played(world: gym.Env, seed: int) -> Episode:
    images, actions = [], list[int]()
    observation, _ = world.reset(seed=seed)
    bot, last = Bot(world), None
    while True:
        last = bot(last)
        images.append(observation["image"])
        actions.append(last)
        observation, reward, terminated, truncated, _ = world.step(last)
        if reward > 0:
            return Episode(seed, world.mission, np.stack(images), np.array(actions, np.uint8))
        if terminated or truncated:
            raise BotError(Why.FAILED if terminated else Why.TIME)
