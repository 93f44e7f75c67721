"""DAgger: the agent acts, the teacher says what he would have done, and the agent learns that too.

Ross et al. 2011 (arXiv:1011.0686), with their beta_1 = 1 and 0 thereafter: the first lessons are
demonstrations; from then on the agent acts alone.

F frames.
"""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from stable_baselines3 import PPO

from agents.config import ImitationConfig
from agents.demos import source_of
from agents.evaluation import (
    SIDE_BY_SIDE,
    Acting,
    Observation,
    World,
    begun_on_tensors,
    open_worlds,
    play_bank,
    sampling_from,
)
from agents.learner import fits_configuration
from agents.lessons import Course, Lessons, joined
from agents.task import Task
from envs.advice import advise
from film_rl.run import Checkpointer, RunFolder, UserError

ROUNDS_SEED = 2_000_000_000
"""Worlds of DAgger's rounds are seeded from here on."""


class Rounds:
    """What each update learns from: the demonstrations, and the lessons of all rounds so far.

    Round r of R begins when r / (R + 1) of the updates are done. Its lessons are kept in the run's
    folder in the format of checkpoints, as `rounds/001` ...: a resumed run reads them there.

    Args:
        config: of the run.
        run: its folder.
        agent: who acts; as it is when a round begins.
        demonstrations: the first lessons.

    Attributes:
        found: what the newest round found, by the names of the run's metrics.
    """

    def __init__(
        self, config: ImitationConfig, run: RunFolder, agent: PPO, demonstrations: Lessons
    ) -> None:
        self.config, self.run, self.agent = config, run, agent
        self.begins = [r * config.updates // (config.rounds + 1) for r in range(config.rounds + 1)]
        self.parts, self.found = [demonstrations], dict[str, float]()
        self.course: Course | None = None

    def at(self, step: int) -> tuple[Course, int]:
        """The course of an update, and which of its minibatches is meant.

        Raises:
            UserError: the lessons of an earlier round are gone or damaged.
        """
        number = bisect_right(self.begins, step) - 1
        if self.course is None or len(self.parts) <= number:
            while len(self.parts) <= number:
                self.parts.append(self._lessons(len(self.parts), step))
            self.course = Course(joined(self.parts), self.config, self.agent.device, number)
        return self.course, step - self.begins[number]

    def _lessons(self, number: int, step: int) -> Lessons:
        """The lessons of a round: read where the folder has them, else made with the agent."""
        keeper = Checkpointer(self.run.folder("rounds") / f"{number:03d}")
        kept = keeper.load()
        if kept is None:
            if step > self.begins[number]:
                raise UserError(
                    f"{keeper.folder} is gone, and the agent it was made with has learned since; "
                    "start a new run with another --run"
                )
            lessons, self.found = look_on(self.agent, self.config, number)
            keeper.save(step, {"lessons": vars(lessons), "found": self.found})
            return lessons
        with fits_configuration(self.run):
            self.found = kept.state["found"]
            return Lessons(**kept.state["lessons"])


def look_on(agent: PPO, config: ImitationConfig, number: int) -> tuple[Lessons, dict[str, float]]:
    """The agent acts in fresh worlds, and the bot says what it would have done in every frame.

    Args:
        agent: who acts, with sampled actions.
        config: what the worlds are, and how many.
        number: of the round, which decides the worlds.

    Returns:
        The lessons, without the episodes in which the bot was lost, and what was found on the way.
    """
    first = ROUNDS_SEED + (config.seed * config.rounds + number - 1) * config.round_episodes
    seeds = range(first, first + config.round_episodes)
    walked, successes = walk(agent, Task.of_config(config), seeds)
    workers = os.cpu_count() or 1
    advice = advise(source_of(config), seeds, walked.taken, walked.first, workers)
    lessons = replace(walked, advice=advice.action).chosen(advice.given)
    agreed = (lessons.advice == lessons.taken).sum()
    return lessons, {
        "dagger/success_rate": successes / len(seeds),
        "dagger/agreement": float(agreed) / max(1, lessons.num_frames),
        "dagger/frames": float(lessons.num_frames),
        "dagger/left_out": float(sum(advice.left_out.values())),
    }


def walk(agent: PPO, task: Task, seeds: range) -> tuple[Lessons, int]:
    """One episode of the agent a seed, with its own actions for advice; how many succeeded."""
    parts, successes = [], 0
    with open_worlds(task, min(len(seeds), SIDE_BY_SIDE)) as worlds, sampling_from(seeds[0], agent):
        for start in range(0, len(seeds), SIDE_BY_SIDE):
            part, succeeded = _side_by_side(agent, worlds, seeds[start : start + SIDE_BY_SIDE])
            parts.append(part)
            successes += succeeded
    return joined(parts), successes


def _side_by_side(agent: PPO, worlds: Sequence[World], seeds: range) -> tuple[Lessons, int]:
    """The same of at most as many seeds as there are worlds."""
    bank, first = begun_on_tensors(worlds, seeds)
    moments: list[tuple[np.ndarray, ...]] = []
    act = Acting(agent, deterministic=False)

    def watched(shown: Observation, running: np.ndarray) -> np.ndarray:
        action = act(shown, running)
        moments.append((running, shown["image"], action.astype(np.uint8)))
        return action

    succeeded = sum(episode.success for episode in play_bank(watched, bank, first))
    world_F, image_F, taken_F = (np.concatenate(part) for part in zip(*moments, strict=True))
    order_F = np.argsort(world_F, kind="stable")  # moment by moment becomes episode by episode
    taken, lengths = torch.from_numpy(taken_F[order_F]), torch.from_numpy(np.bincount(world_F))
    lessons = Lessons(
        image=torch.from_numpy(image_F[order_F]),
        advice=taken,
        taken=taken,
        first=F.pad(lengths.cumsum(0), (1, 0)),
        sentence=bank.sentence_of_level,
        sentences=bank.sentences,
    )
    return lessons, succeeded
