"""Batched worlds as Stable-Baselines3's vector environment."""

import time
from collections.abc import Sequence
from typing import Any, NoReturn

import gymnasium
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecTransposeImage

from envs.batched.facades import InstructedWorlds
from envs.observation import Observation

Indices = int | Sequence[int] | None
USE_MINIGRID = (
    "for minigrid's own worlds type DummyVecEnv([lambda: envs.make_env(task)] * num_envs), "
    "or on the command line --engine sb3"
)


def as_given(env: VecEnv) -> VecEnv:
    """What a learner was given: SB3 puts a picture's channels first by a wrapper of its own."""
    return env.venv if isinstance(env, VecTransposeImage) else env


class BatchedVecEnv(VecEnv):
    """`InstructedWorlds` for any algorithm of Stable-Baselines3: arrays in, arrays out.

    Infos of episodes that end are those of SB3's `Monitor` and `DummyVecEnv`: `episode`,
    `is_success`, `terminal_observation`, `TimeLimit.truncated`. `DevicePPO` goes past this face to
    `worlds`, whose tensors never leave the device.
    """

    def __init__(self, worlds: InstructedWorlds):
        self.worlds = worlds
        super().__init__(worlds.num_envs, worlds.observation_space, worlds.action_space)
        self._first_seed: int | None = worlds.seed
        self._draws = np.random.default_rng(worlds.seed)  # of the seeds of later resets
        self._began = time.monotonic()

    def reset(self) -> Observation:
        """Every world begins an episode; the very first time, as the worlds' own seed says."""
        seed, first = self._seeds[0], self._first_seed
        if seed is None:
            seed = int(self._draws.integers(2**31)) if first is None else first
        self._first_seed = None
        self.worlds.reset(seed)
        self._reset_seeds()
        self._reset_options()
        return self.worlds.to_numpy(self.worlds.view)

    def step_async(self, actions: np.ndarray) -> None:
        """Act in every world."""
        self._outcome = self.worlds.step_numpy(actions)

    def step_wait(self) -> tuple[Observation, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """What came of it: observations, rewards, dones, infos."""
        outcome = self._outcome
        reward = outcome.reward.cpu().numpy().astype(np.float32)
        terminated, truncated = outcome.terminated.cpu().numpy(), outcome.truncated.cpu().numpy()
        length = outcome.length.cpu().numpy()
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done)
        final = self.worlds.to_numpy(outcome.final, ended)
        seconds = round(time.monotonic() - self._began, 6)
        for row, world in enumerate(ended):
            infos[world] = {
                "TimeLimit.truncated": bool(truncated[world] and not terminated[world]),
                "terminal_observation": {name: value[row] for name, value in final.items()},
                "is_success": bool(reward[world] > 0),
                # BabyAI pays at an episode's end only: the last reward is the return.
                "episode": {"r": float(reward[world]), "l": int(length[world]), "t": seconds},
            }
        return self.worlds.to_numpy(outcome.view), reward, done, infos

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The worlds' attribute of this name, which all share, once for each."""
        return [getattr(self.worlds, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> NoReturn:
        """Worlds in one batch cannot differ in their attributes."""
        raise NotImplementedError(
            f"{attr_name}: worlds on tensors have no attributes of their own; {USE_MINIGRID}"
        )

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> NoReturn:
        """Worlds in one batch have no methods of their own."""
        raise NotImplementedError(
            f"{method_name}: worlds on tensors have no methods of their own; {USE_MINIGRID}"
        )

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: Indices = None
    ) -> list[bool]:
        """Only a `Monitor` is as good as there: infos tell each episode's return and length."""
        return [wrapper_class is Monitor] * len(self._rows(indices))

    def _rows(self, indices: Indices) -> Sequence[int]:
        return list(self._get_indices(indices))
