"""All that decides how training goes on from between two updates, out of a learner and back."""

from collections import deque
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from agents.batched_vec_env import BatchedVecEnv, as_given
from envs.observation import Observation
from film_rl.run import UserError, rng_state, set_rng_state

State = dict[str, Any]


def learner_state(learner: PPO) -> State:
    """Parameters, optimiser, counters, worlds, statistics, log values, random generators.

    The statistics are those SB3 keeps of recent episodes; the log values, those not written yet.
    """
    return {
        "policy": learner.policy.state_dict(),
        "optimizer": learner.policy.optimizer.state_dict(),
        "num_timesteps": learner.num_timesteps,
        "n_updates": learner._n_updates,
        "episode_num": learner._episode_num,
        "episodes": list(learner.ep_info_buffer or ()),
        "successes": list(learner.ep_success_buffer or ()),
        "worlds": _worlds_state(learner),
        "starts": learner._last_episode_starts,
        **_memory_state(learner),
        "log": dict(learner.logger.name_to_value),
        "log_counts": dict(learner.logger.name_to_count),
        "rng": rng_state(),
    }


def restore_learner(learner: PPO, state: State) -> None:
    """Put a fresh learner of the same configuration to where `learner_state` was taken.

    Raises:
        UserError: the replayed worlds do not show what they showed then, as happens when
            minigrid is not the version the checkpoint was made with.
    """
    learner.policy.load_state_dict(state["policy"])
    learner.policy.optimizer.load_state_dict(state["optimizer"])
    learner.num_timesteps = state["num_timesteps"]
    learner._n_updates = state["n_updates"]
    learner._episode_num = state["episode_num"]
    learner.ep_info_buffer = deque(state["episodes"], maxlen=learner._stats_window_size)
    learner.ep_success_buffer = deque(state["successes"], maxlen=learner._stats_window_size)
    _restore_worlds(learner, state["worlds"])
    learner._last_episode_starts = state["starts"]
    if learner.policy.memory:
        learner.rollout_buffer.state[-1] = state["memory"]
    learner.logger.name_to_value.update(state["log"])
    learner.logger.name_to_count.update(state["log_counts"])
    set_rng_state(state["rng"])


def _memory_state(learner: PPO) -> State:
    """What each world's memory holds."""
    if not learner.policy.memory:
        return {}
    return {"memory": learner.rollout_buffer.state[-1].clone()}


def _worlds_state(learner: PPO) -> State:
    """Worlds on tensors are saved as they are; minigrid's as what replays them (`envs.replay`)."""
    if isinstance(as_given(learner.env), BatchedVecEnv):
        return learner.env.worlds.state()
    monitor, worlds = _stock_worlds(learner)
    return {
        "last_obs": learner._last_obs,
        "episode_returns": monitor.episode_returns,
        "episode_lengths": monitor.episode_lengths,
        "replays": [world.state() for world in worlds.envs],
    }


def _restore_worlds(learner: PPO, state: State) -> None:
    if isinstance(as_given(learner.env), BatchedVecEnv):
        learner.env.worlds.set_state(state)
        learner._last_obs = _shown(learner, learner.env.worlds.to_numpy(learner.env.worlds.view))
        return
    monitor, worlds = _stock_worlds(learner)
    for index, (world, replay) in enumerate(zip(worlds.envs, state["replays"], strict=True)):
        worlds._save_obs(index, world.set_state(replay))
    shown = _shown(learner, worlds.buf_obs)
    for name, array in state["last_obs"].items():
        if not np.array_equal(shown[name], array):
            raise UserError(
                f"the worlds replayed from the checkpoint show another {name} than they did; "
                "install the minigrid version it was made with"
            )
    learner._last_obs = state["last_obs"]
    monitor.episode_returns = state["episode_returns"]
    monitor.episode_lengths = state["episode_lengths"]


def _stock_worlds(learner: PPO) -> tuple[VecMonitor, DummyVecEnv]:
    monitor = as_given(learner.env)
    assert isinstance(monitor, VecMonitor)
    assert isinstance(monitor.venv, DummyVecEnv)
    return monitor, monitor.venv


def _shown(learner: PPO, observations: Observation) -> Observation:
    """What the worlds show as the learner sees it: of a picture, channels first."""
    env = learner.env
    return env.transpose_observations(observations) if as_given(env) is not env else observations
