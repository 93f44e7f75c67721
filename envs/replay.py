"""Saving a running environment exactly: how its episode began, and what was done since.

An episode of BabyAI is a function of the random generator's state before the reset and of the
actions. Both are small and plain, so that a checkpoint needs no pickle.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

State = dict[str, Any]


class Replayable(gym.Wrapper, RecordConstructorArgs):
    """An environment whose state can be read as JSON and set again."""

    def __init__(self, env: gym.Env):
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._begin: State = {}
        self._actions: list[int] = []

    def reset(self, *, seed: int | None = None, options: State | None = None) -> tuple[Any, State]:
        """Starts an episode, as gymnasium says."""
        if seed is None:
            self._begin = {"generator": self.unwrapped.np_random.bit_generator.state}
        else:
            self._begin = {"seed": int(seed)}
        self._actions = []
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, State]:
        """Acts, as gymnasium says."""
        result = self.env.step(action)
        self._actions.append(int(action))
        return result

    def state(self) -> State:
        """Returns what `set_state` needs: {"begin": {"seed"} or {"generator"} or {}, "actions"}."""
        return {"begin": dict(self._begin), "actions": list(self._actions)}

    def set_state(self, state: State) -> Any:
        """Repeats the episode, so that all that follows is as it was; returns the last observation.

        Returns None where the saved environment had never been reset.
        """
        begin, actions = state["begin"], state["actions"]
        if not begin:
            self._begin, self._actions = {}, []
            return None
        if "generator" in begin:
            bit_generator = np.random.PCG64()
            bit_generator.state = begin["generator"]
            self.unwrapped.np_random = np.random.Generator(bit_generator)
        observation, _ = self.reset(seed=begin.get("seed"))
        for action in actions:
            observation = self.step(action)[0]
        return observation
