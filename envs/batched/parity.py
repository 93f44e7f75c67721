"""minigrid and batched worlds side by side: are they the same, step by step?"""

import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch

from envs.batched.bank import LevelBank
from envs.batched.worlds import BatchedBabyAI, Observation, Step
from envs.bot import Bot, BotError

SENTENCES = (
    "go to the {color} {object}",
    "put the {color} {object} next to the {color} {object}",
    "open a door on your left and go to the key",
    "pick up a ball after you open the red door and go to the blue key",
    "pick up the red object, then put the red object next to a door",
)  # compared beside the 96 levels
WEIGHTS = (15, 15, 30, 12, 10, 16, 2)  # of random actions: most step, pick up, drop and toggle


class Report(NamedTuple):
    """What a comparison found.

    Attributes:
        steps: environment steps compared.
        advised: how many of them took the bot's action; the rest took random ones.
        succeeded, truncated: episodes that ended so.
        differences: one line for each world that went another way.
    """

    steps: int
    advised: int
    succeeded: int
    truncated: int
    differences: list[str]

    def plus(self, other: "Report") -> "Report":
        """Both comparisons together."""
        pairs: Iterable[tuple[Any, Any]] = zip(self, other, strict=True)
        return Report(*(mine + theirs for mine, theirs in pairs))


def compare(
    levels: Sequence[gym.Env],
    steps: int,
    seed: int,
    noise: Sequence[float] = (1.0,),
    device: str | torch.device = "cpu",
) -> Report:
    """Steps reset minigrid environments and their batched copies with the same actions.

    Args:
        levels: BabyAI environments that have just been reset with a seed.
        steps: actions taken in each of them, fewer where its episode ends before.
        seed: of the actions.
        noise: how often environment i acts at random, entry i modulo their number; else its actions
            are those of minigrid's bot until the bot fails, and random after that.
        device: of the batched copies.
    """
    bank = LevelBank.from_minigrid(levels)
    worlds = BatchedBabyAI(bank, len(levels), device, autoreset=False)
    draws = random.Random(seed)  # noqa: S311
    noises = [noise[index % len(noise)] for index in range(len(levels))]
    actors = [Actor(env, part, draws) for env, part in zip(levels, noises, strict=True)]
    going, differences = set(range(len(levels))), []
    taken = succeeded = truncated = 0
    view = _arrays(worlds.observe())
    for index in going:
        # gen_obs of a level that starts with something in hand shows more than reset() did.
        first = levels[index].unwrapped
        if first.carrying is None and not _same_view(first.gen_obs(), view, index):
            differences.append(f"{first.mission}: another first view")
    for time in range(steps):
        if not going:
            break
        actions = [actor() if index in going else 6 for index, actor in enumerate(actors)]
        step = worlds.step(torch.tensor(actions, device=device))
        seen = _arrays(step)
        for index in sorted(going):
            result = levels[index].unwrapped.step(actions[index])
            taken += 1
            same = _same(result, seen, index)
            if not same:
                mission = levels[index].unwrapped.mission
                differences.append(f"world {index} ({mission}), step {time}: {actions[index]}")
            if not same or result[2] or result[3]:
                going.remove(index)
                succeeded += result[1] > 0
                truncated += result[3]
    advised = sum(actor.advised for actor in actors)
    return Report(taken, advised, succeeded, truncated, differences)


def _arrays(seen: Observation | Step) -> dict[str, np.ndarray]:
    return {name: tensor.cpu().numpy() for name, tensor in seen._asdict().items()}


def _same_view(view: dict[str, Any], seen: dict[str, np.ndarray], index: int) -> bool:
    image = np.array_equal(view["image"], seen["image"][index])
    return image and view["direction"] == seen["direction"][index]


def _same(result: tuple[Any, ...], seen: dict[str, np.ndarray], index: int) -> bool:
    view, reward, terminated, truncated, _ = result
    return (
        _same_view(view, seen, index)
        and reward == seen["reward"][index]  # float64, to the last bit
        and terminated == seen["terminated"][index]
        and truncated == seen["truncated"][index]
    )


class Actor:
    """Acts at random with a given probability, otherwise as minigrid's bot says.

    Attributes:
        advised: how many actions were the bot's.
    """

    def __init__(self, env: gym.Env, noise: float, draws: random.Random):
        self.noise, self.draws = noise, draws
        self.bot = Bot(env) if noise < 1 else None
        self.last: int | None = None
        self.advised = 0

    def __call__(self) -> int:
        """The next action."""
        action = self._advice()
        if action is None or self.draws.random() < self.noise:
            action = self.draws.choices(range(7), WEIGHTS)[0]
        else:
            self.advised += 1
        self.last = action
        return action

    def _advice(self) -> int | None:
        if self.bot is None:
            return None
        try:
            return self.bot(self.last)
        except BotError:  # `advised` tells how far it came
            self.bot = None
            return None
