"""What an agent sees: its view, the sentence and its last actions, as arrays that SB3 can take."""

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from minigrid.core.actions import Actions

from envs.grammar import MAX_WORDS, WORDS, tokenize
from envs.replay import State

Observation = dict[str, np.ndarray]

SYMBOLS = (7, 7, 3)  # the view: object, colour and state of each cell
MAX_CODE = 10  # the largest number minigrid writes into it; 255 would mean a picture to SB3
TILE = 8  # pixels along a cell's side, where the view is a picture


def observation_space(last_actions: int, pixels: bool = False) -> spaces.Dict:
    """Returns the space of `InstructionObservation`'s observations."""
    picture = spaces.Box(0, 255, (7 * TILE, 7 * TILE, 3), np.uint8)
    box: dict[str, spaces.Space] = {
        "image": picture if pixels else spaces.Box(0, MAX_CODE, SYMBOLS, np.uint8),
        "instruction": spaces.Box(0, len(WORDS), (MAX_WORDS,), np.int64),
    }
    if last_actions:
        box["last_actions"] = spaces.Box(0, len(Actions), (last_actions,), np.int64)
    return spaces.Dict(box)


class InstructionObservation(gym.Wrapper, RecordConstructorArgs):
    """Turns minigrid's observation into a Dict.

        image: uint8 (7, 7, 3), the agent's view: object, colour and state of each cell;
            or uint8 (56, 56, 3), the picture that minigrid's RGBImgPartialObsWrapper makes of it
        instruction: int64 (72,), word ids as of `tokenize`, 0 after the last word
        last_actions: int64 (k,), newest first, 1 + action, 0 before the episode's first

    where k = `last_actions`; without this key if k is 0.
    """

    def __init__(self, env: gym.Env, last_actions: int = 4):
        RecordConstructorArgs.__init__(self, last_actions=last_actions)
        super().__init__(env)
        pixels = env.observation_space["image"].shape != SYMBOLS
        self.observation_space = observation_space(last_actions, pixels)
        self._num_last = last_actions
        self._instruction = np.zeros(MAX_WORDS, np.int64)
        self._last = np.zeros(last_actions, np.int64)

    def reset(
        self, *, seed: int | None = None, options: State | None = None
    ) -> tuple[Observation, State]:
        """Starts an episode, as gymnasium says."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._begin(observation["mission"], [])
        return self._observation(observation["image"]), info

    def step(self, action: Any) -> tuple[Observation, SupportsFloat, bool, bool, State]:
        """Acts, as gymnasium says."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            info["is_success"] = reward > 0  # SB3 turns this into rollout/success_rate
        if self._num_last:
            self._last[1:] = self._last[:-1]
            self._last[0] = action + 1
        return self._observation(observation["image"]), reward, terminated, truncated, info

    def state(self) -> State:
        """Returns the environment's state as JSON; see `envs.replay.Replayable`."""
        state: State = self.env.get_wrapper_attr("state")()
        return state

    def set_state(self, state: State) -> Observation | None:
        """Sets a state that `state` gave; returns the observation, None if never reset."""
        observation = self.env.get_wrapper_attr("set_state")(state)
        if observation is None:
            return None
        self._begin(observation["mission"], state["actions"])
        return self._observation(observation["image"])

    def _begin(self, mission: str, actions: list[int]) -> None:
        words = tokenize(mission)
        self._instruction = np.zeros(MAX_WORDS, np.int64)
        self._instruction[: len(words)] = words
        newest = [action + 1 for action in reversed(actions)][: self._num_last]
        self._last = np.zeros(self._num_last, np.int64)
        self._last[: len(newest)] = newest

    def _observation(self, image: np.ndarray) -> Observation:
        # Copies: gymnasium says that observations share no data, with each other or with us.
        observation = {"image": image, "instruction": self._instruction.copy()}
        if self._num_last:
            observation["last_actions"] = self._last.copy()
        return observation
