"""Demonstrations played again, on minigrid and on tensors: do they show what was saved?

E episodes, F frames, T steps of the longest.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from minigrid.core.actions import Actions
from torch import Tensor

from envs.batched.bank import LevelBank, bank_of
from envs.batched.pack import pack
from envs.batched.worlds import BatchedBabyAI
from envs.demonstrations.folder import Folder
from envs.demonstrations.shard import Shard, read_shard
from envs.demonstrations.source import Source
from envs.workers import mapped


def check_folder(
    folder: Folder, *, workers: int = 1, progress: Callable[[int], object] = lambda done: None
) -> list[str]:
    """Plays every demonstration of a folder's shards again, with minigrid and with tensors.

    Each must read the same sentence, see the same view before every action, and succeed by the last
    action and not before.

    Args:
        folder: with its shards.
        workers: processes.
        progress: hears how many were played again.

    Returns:
        One line for each that fails.

    Raises:
        EnvError: a shard is missing or damaged.
    """
    jobs = [(folder.path, folder.source, shard.number) for shard in folder.shards]
    failures: dict[int, list[str]] = {}
    done = 0
    with closing(mapped(check_shard, jobs, workers)) as checked:
        for place, failed in checked:
            failures[place] = failed
            done += folder.shards[place].demonstrations
            progress(done)
    return [line for place in sorted(failures) for line in failures[place]]


def check_shard(path: Path, source: Source, number: int) -> list[str]:
    """The same for one shard."""
    shard = read_shard(path, source, number)
    world, levels = source.make_env(), []
    failed: dict[int, str] = {}
    start = 0
    for episode, (seed, length) in enumerate(
        zip(shard.seed.tolist(), shard.length.tolist(), strict=True)
    ):
        observation, _ = world.reset(seed=seed)
        levels.append(pack(world))
        if world.mission != shard.missions[shard.sentence[episode]]:
            failed[episode] = f"the sentence is {world.mission!r}"
        else:
            frames = slice(start, start + length)
            images, actions = shard.image[frames].numpy(), shard.action[frames].tolist()
            if told := _on_minigrid(world, observation["image"], images, actions):
                failed[episode] = told
        start += length
    failed |= {episode: told for episode, told in _on_tensors(bank_of(levels), shard)}
    return [
        f"shard {number}, demonstration {episode}, seed {int(shard.seed[episode])}: {told}"
        for episode, told in sorted(failed.items())
    ]


def _on_minigrid(
    world: gym.Env, seen: np.ndarray, images: np.ndarray, actions: list[int]
) -> str | None:
    """What differs in one episode, None if nothing does."""
    for step, (image, action) in enumerate(zip(images, actions, strict=True)):
        if not np.array_equal(seen, image):
            return f"step {step} shows another view on minigrid"
        observation, reward, terminated, truncated, _ = world.step(action)
        seen = observation["image"]
        if _wrong(step == len(actions) - 1, reward > 0, terminated or truncated):
            return f"step {step} ends otherwise on minigrid"
    return None


def _on_tensors(bank: LevelBank, shard: Shard) -> Iterator[tuple[int, str]]:
    """The episodes that differ, side by side, each with what does."""
    episodes = len(bank)
    worlds = BatchedBabyAI(bank, episodes, autoreset=False)
    first_E = shard.length.cumsum(0) - shard.length
    fails_E = torch.full((episodes,), -1)
    image_E: Tensor = worlds.observe().image
    for time in range(int(shard.length.max())):
        live_E = time < shard.length
        frame_E = torch.where(live_E, first_E + time, 0)
        action_E = torch.where(live_E, shard.action[frame_E].long(), Actions.done.value)
        other_E = (image_E != shard.image[frame_E]).flatten(1).any(dim=1)
        step = worlds.step(action_E)
        image_E, last_E = step.image, time == shard.length - 1
        wrong_E = _wrong(last_E, step.reward > 0, step.terminated | step.truncated)
        new_E = live_E & (other_E | wrong_E) & (fails_E < 0)
        fails_E = torch.where(new_E, time, fails_E)
    for episode in (fails_E >= 0).nonzero()[:, 0].tolist():
        yield episode, f"step {int(fails_E[episode])} differs on tensors"


def _wrong(last: bool | Tensor, success: bool | Tensor, over: bool | Tensor) -> bool | Tensor:
    """Whether an episode succeeds too early or not by its last step, or is over before that."""
    return (last ^ success) | (over & (last ^ True))
