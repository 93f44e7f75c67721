"""Those that benchmark.py lets act side by side: each plays random actions as fast as it can."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envs.batched import BatchedBabyAI

STEPS = 50  # of every world between two looks at the clock
DUMMY_WORLDS = 16  # they act one after another: their number changes little
ENVPOOL_WORLDS = 256  # with one thread the fastest of 16 to 4,096; 64 is close, and so is async

Play = Callable[[], int]
"""Acts or learns for a moment; how many steps of an environment that took."""


def on_tensors(worlds: "BatchedBabyAI") -> Play:
    """All worlds in one step."""
    import torch

    def play() -> int:
        shape = (STEPS, worlds.num_envs)
        for action in torch.randint(7, shape, device=worlds.device):
            worlds.step(action)
        if worlds.device.type == "cuda":
            torch.cuda.synchronize(worlds.device)
        return STEPS * worlds.num_envs

    return play


def one_minigrid(level: str) -> Play:
    """minigrid's environment without any wrapper."""
    import numpy as np

    from envs import make_env

    env, random = make_env(level).unwrapped, np.random.default_rng(0)
    env.reset(seed=0)

    def play() -> int:
        for action in random.integers(7, size=STEPS).tolist():
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return STEPS

    return play


def dummy_vec_env(level: str) -> Play:
    """The environments that stock PPO trains on: sentence as words, last actions."""
    import numpy as np
    from stable_baselines3.common.vec_env import DummyVecEnv

    from envs import make_env

    worlds = DummyVecEnv([partial(make_env, level)] * DUMMY_WORLDS)
    random = np.random.default_rng(0)
    worlds.seed(0)
    worlds.reset()

    def play() -> int:
        for action in random.integers(7, size=(STEPS, DUMMY_WORLDS)):
            worlds.step(action)
        return STEPS * DUMMY_WORLDS

    return play


def in_envpool(level: str, threads: int) -> Play | None:
    """EnvPool's worlds (arXiv:2206.10558); None where it is not installed.

    It has all of minigrid's BabyAI ids in C++, and shows image, direction and sentence (as bytes);
    rewards are float32. That it shows the same as minigrid step by step was not compared. It spends
    a step on each reset, which counts as one.
    """
    try:
        import envpool
    except ModuleNotFoundError as error:
        if error.name != "envpool":
            raise
        return None
    import numpy as np

    worlds = envpool.make_gymnasium(
        level,
        num_envs=ENVPOOL_WORLDS,
        batch_size=ENVPOOL_WORLDS,
        num_threads=threads,
        seed=0,
    )
    random = np.random.default_rng(0)
    worlds.reset()

    def play() -> int:
        for action in random.integers(7, size=(STEPS, ENVPOOL_WORLDS), dtype=np.int32):
            worlds.step(action)
        return STEPS * ENVPOOL_WORLDS

    return play
