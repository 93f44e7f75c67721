"""Levels made by minigrid's generators, in several processes."""

from collections.abc import Callable, Sequence

import gymnasium as gym
import numpy as np

from envs.batched.pack import Level, check_kind, pack
from envs.batched.record import Row
from envs.errors import EnvError
from envs.make import make_env
from envs.workers import mapped

Maker = Callable[[], gym.Env]
CHUNK = 256  # levels that a process makes at a time


def generate_levels(
    tasks: Maker | str | Sequence[Maker | str], count: int, seed: int, workers: int, start: int
) -> list[Level]:
    """Returns levels `start` to `start + count - 1`, see `LevelBank.generate`."""
    if count < 1 or workers < 1:
        raise EnvError(
            f"{count} levels by {workers} workers; expected 1 or more of each: type count=1024, "
            "workers=2, for example"
        )
    if seed < 0 or start < 0:
        raise EnvError(f"seed is {seed}, start {start}; type 0 or more")
    makers = [tasks] if isinstance(tasks, str) or callable(tasks) else list(tasks)
    if not makers:
        raise EnvError("no task was given; type a level such as BabyAI-GoToLocal-v0 or a sentence")
    for task in makers:
        env = _make(task)
        check_kind(env)  # a mistake is found here, in the user's own process
        env.close()
    end = start + count
    firsts = range(start, end, CHUNK)
    jobs = [(makers, range(first, min(first + CHUNK, end)), seed) for first in firsts]
    chunks = dict(mapped(_levels, jobs, workers))
    return [level for place in range(len(jobs)) for level in chunks[place]]


def level_seed(seed: int, index: int) -> int:
    """What seeds level number `index` of the endless sequence of `seed`: 63 random bits."""
    entropy = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0]
    return int(entropy >> np.uint64(1))


def _levels(makers: list[Maker | str], indices: range, seed: int) -> list[Level]:
    envs: dict[int, gym.Env] = {}
    levels = []
    for index in indices:
        task = index % len(makers)
        if task not in envs:
            envs[task] = _make(makers[task])
        envs[task].reset(seed=level_seed(seed, index))
        level = pack(envs[task])
        level.masks[Row.TASK] = task
        levels.append(level)
    return levels


def _make(task: Maker | str) -> gym.Env:
    return make_env(task) if isinstance(task, str) else task()
