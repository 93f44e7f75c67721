"""Training on several levels: how each of them goes, and of a curriculum which one comes next.

A curriculum is a mixture whose shares change: all episodes begin on one level until that is solved,
then on the next. It is solved when, of the last `EPISODES` episodes on it that ended, at least
`--advance-at` succeeded. Successes end sooner than failures, so that the first episodes to end say
too much good of it: nothing counts that ends before its longest episode, and the longest one of the
level before, could have ended.
"""

from typing import Any

from agents.config import AgentConfig
from agents.task import Task, tasks_of
from envs.batched.facades import InstructedWorlds
from envs.batched.record import Row

EPISODES = 1000
Counts = tuple[int, int]  # episodes that ended, and those of them that succeeded


def first_shares(config: AgentConfig) -> tuple[float, ...]:
    """The shares of its levels with which a run begins; none where it has one task."""
    if config.curriculum:
        return _alone(0, len(config.curriculum))
    return Task.of_config(config).shares


class Lessons:
    """Looks between two updates at how the levels of a run go.

    Args:
        config: with a mixture or a curriculum.
        worlds: that are trained on, with shares.
        state: of the run's checkpoint, if it goes on from one.

    Attributes:
        stage: the number of the curriculum's level on which episodes begin.
    """

    def __init__(self, config: AgentConfig, worlds: InstructedWorlds, state: dict[str, Any] | None):
        self.worlds, self.levels = worlds, [str(task) for task in tasks_of(config)]
        self.curriculum, self.advance_at = bool(config.curriculum), config.advance_at
        self.before: list[Counts] = [(0, 0)] * len(self.levels)
        self.stage, self.age = 0, 0
        self.recent: list[Counts] = []
        self.longest = self._longest()
        if state:
            self.stage, self.age = state["stage"], state["age"]
            self.recent, self.before = list(state["recent"]), state["before"]
            self.longest = state["longest"]

    def state(self) -> dict[str, Any]:
        """What is needed to go on exactly."""
        names = ("stage", "age", "recent", "before", "longest")
        return {name: getattr(self, name) for name in names}

    def look(self, steps: int) -> dict[str, float]:
        """After each rollout, of so many steps a world: go on where it is time; what to log."""
        now: list[Counts] = [(ended.episodes, ended.successes) for ended in self.worlds.ended()]
        new = [
            (episodes - ended_before, successes - good_before)
            for (episodes, successes), (ended_before, good_before) in zip(
                now, self.before, strict=True
            )
        ]
        self.before = now
        logged = {
            f"levels/{level}": successes / episodes
            for level, (episodes, successes) in zip(self.levels, new, strict=True)
            if episodes
        }
        if self.curriculum:
            logged |= self._judge(*new[self.stage])
            self.age += steps
            logged["curriculum/level"] = self.stage
        return logged

    def _judge(self, episodes: int, successes: int) -> dict[str, float]:
        """Count what ended on the present level; go on to the next where it is solved."""
        if self.age < sum(self.longest[max(0, self.stage - 1) : self.stage + 1]):
            return {}
        self.recent.append((episodes, successes))
        while self._ended() - self.recent[0][0] >= EPISODES:
            del self.recent[0]
        rate = sum(successes for _, successes in self.recent) / max(1, self._ended())
        last = self.stage + 1 == len(self.levels)
        if self._ended() >= EPISODES and rate >= self.advance_at and not last:
            self.stage, self.age, self.recent = self.stage + 1, 0, []
            self.worlds.set_shares(_alone(self.stage, len(self.levels)))
        return {"curriculum/success_rate": rate}

    def _ended(self) -> int:
        return sum(episodes for episodes, _ in self.recent)

    def _longest(self) -> list[int]:
        """The most steps that an episode of each level can take."""
        record = self.worlds.bank.record
        limits = [record[Row.MAX_STEPS, record[Row.TASK] == g] for g in range(len(self.levels))]
        return [int(limit.max()) for limit in limits]


def _alone(stage: int, levels: int) -> tuple[float, ...]:
    return tuple(float(number == stage) for number in range(levels))
