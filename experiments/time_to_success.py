"""How long training takes to 90% and 99% success; a part of benchmark.py.

While an agent trains, the clock is stopped every 10,000 steps and the agent plays 512 levels that
it never met, others each time, with sampled actions. A goal is reached at the second of two such
evaluations in a row at or above it: one alone would often be luck. Training ends with the last
goal; its learning rate falls as in the whole run.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from statistics import median_high
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from agents.config import AgentConfig
from agents.device_ppo import DevicePPO
from agents.evaluation import evaluate
from agents.learner import make_learner
from agents.task import EVALUATION_SEED, Task
from film_rl.run import seed_everything

TASKS = {
    "go to the red ball": AgentConfig(instr=("go to the red ball",)),
    "go to the {color} {object}": AgentConfig(
        instr=("go to the {color} {object}",), room_size=6, distractors=3
    ),
}
GOALS = (0.9, 0.99)
EVERY = 10_000  # steps of training between two evaluations
EPISODES = 512  # of an evaluation


@dataclass(frozen=True)
class Point:
    """An evaluation: seconds, episodes and steps of training before it, and its success."""

    seconds: float
    episodes: int
    steps: int
    success: float


class StoppedClock(BaseCallback):
    """Evaluates between two updates, while the clock of training stands still."""

    def __init__(self, task: Task):
        super().__init__()
        self.task, self.points = task, list[Point]()
        self.seconds, self.steps_at = 0.0, 0

    def _on_training_start(self) -> None:
        self.began = time.perf_counter()

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps >= self.steps_at:
            self._evaluate()

    def _on_step(self) -> bool:
        return reaches(self.points[-2:], GOALS[-1]) is None

    def _on_training_end(self) -> None:
        if not reaches(self.points[-2:], GOALS[-1]):
            self._evaluate()

    def _evaluate(self) -> None:
        self.seconds += time.perf_counter() - self.began
        seed = EVALUATION_SEED + EPISODES * len(self.points)
        score = evaluate(self.model, self.task, EPISODES, seed=seed, engine="tensor").overall
        learner, rate = self.model, round(score.success_rate, 4)
        assert isinstance(learner, DevicePPO)
        point = Point(round(self.seconds, 2), learner._episode_num, learner.num_timesteps, rate)
        self.points.append(point)
        self.steps_at = self.model.num_timesteps + EVERY
        print(f"{self.task}: {point.success:.1%} after {point.seconds:.1f} s", flush=True)
        self.began = time.perf_counter()


def measured(config: AgentConfig, runs: int) -> dict[str, Any]:
    """Figures and curves of training runs that differ in their seed."""
    before, curves = [], []
    for seed in range(runs):
        start = time.perf_counter()
        seed_everything(seed)
        learner = make_learner(replace(config, seed=seed))
        before.append(time.perf_counter() - start)
        clock = StoppedClock(Task.of_config(config))
        learner.learn(config.steps, clock)
        curves.append(clock.points)
    figures: dict[str, Any] = {f"{goal:.0%} success": typical(curves, goal) for goal in GOALS}
    figures["seconds before training, for the levels"] = round(median_high(before), 1)
    return {
        "figures": figures,
        "curves": [[list(asdict(p).values()) for p in curve] for curve in curves],
    }


def typical(curves: Sequence[Sequence[Point]], goal: float) -> dict[str, Any]:
    """The median run's way to a goal, runs that never reach it being the slowest."""
    reached = [point for curve in curves if (point := reaches(curve, goal))]
    late = [Point(float("inf"), 0, 0, 0.0)] * (len(curves) - len(reached))
    middle = sorted([*reached, *late], key=lambda point: point.seconds)[len(curves) // 2]
    there = middle.steps > 0
    return {
        "seconds": middle.seconds if there else None,
        "episodes": middle.episodes if there else None,
        "steps": middle.steps if there else None,
        "runs that reach it": f"{len(reached)} of {len(curves)}",
    }


def reaches(curve: Sequence[Point], goal: float) -> Point | None:
    """The second of the first two evaluations in a row at or above the goal."""
    for one, other in pairwise(curve):
        if min(one.success, other.success) >= goal:
            return other
    return None
