"""The batched worlds behind Stable-Baselines3's vector interface."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from agents import FiLMPolicy
from agents.batched_vec_env import BatchedVecEnv
from envs import make_env
from envs.batched import LevelBank
from envs.batched.facades import InstructedWorlds

SENTENCES = ("go to the red ball", "go to the blue key")


@pytest.fixture(scope="module")
def levels() -> LevelBank:
    made = [make_env(SENTENCES, room_size=5, distractors=1) for _ in range(8)]
    for seed, level in enumerate(made):
        level.reset(seed=seed)
    return LevelBank.from_minigrid(made)


def face(levels: LevelBank, number: int, **settings) -> BatchedVecEnv:
    return BatchedVecEnv(InstructedWorlds(levels, number, **settings))


def test_it_is_sb3_s_own_vector_of_make_env(levels):
    """One level each: the same actions give the same arrays and infos, resets included."""
    env = make_env(SENTENCES, room_size=5, distractors=1)
    real = env.reset
    env.reset = lambda **_: real(seed=3)
    stock = VecMonitor(DummyVecEnv([lambda: env]))
    begun = make_env(SENTENCES, room_size=5, distractors=1)
    begun.reset(seed=3)
    worlds = BatchedVecEnv(InstructedWorlds(LevelBank.from_minigrid([begun]), 1))
    assert worlds.observation_space == stock.observation_space
    assert worlds.action_space == stock.action_space
    expected, seen = stock.reset(), worlds.reset()
    actions = np.random.default_rng(0)
    ends = 0
    for _ in range(150):
        for name, array in expected.items():
            np.testing.assert_array_equal(seen[name], array)
            assert seen[name].dtype == array.dtype
        action = actions.integers(7, size=1)
        expected, *theirs, their_infos = stock.step(action)
        seen, *ours, infos = worlds.step(action)
        for a, b in zip(theirs, ours, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        if ours[1][0]:
            ends += 1
            assert infos[0]["episode"]["l"] == their_infos[0]["episode"]["l"]
            assert infos[0]["episode"]["r"] == pytest.approx(their_infos[0]["episode"]["r"])
            for name in ("TimeLimit.truncated", "is_success"):
                assert infos[0][name] == their_infos[0][name]
            for name, array in their_infos[0]["terminal_observation"].items():
                np.testing.assert_array_equal(infos[0]["terminal_observation"][name], array)
        else:
            assert infos == [{}]
    assert ends > 1


@pytest.mark.parametrize("make", [partial(PPO, batch_size=8), A2C])
def test_stock_algorithms_train_on_it_without_a_warning(make, levels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent = make(FiLMPolicy, face(levels, 4), n_steps=8, device="cpu")
        agent.learn(32)
        mean, _ = evaluate_policy(agent, face(levels, 4), n_eval_episodes=4)
    assert 0 <= mean <= 1


def test_a_seed_decides_the_next_reset_and_resets_differ_without_one(levels):
    worlds = face(levels, 16, seed=1)
    first = worlds.reset()["image"]
    again = worlds.reset()["image"]
    worlds.seed(5)
    seeded = worlds.reset()["image"]
    assert not np.array_equal(first, again)
    worlds.seed(5)
    assert np.array_equal(worlds.reset()["image"], seeded)
    assert np.array_equal(face(levels, 16, seed=1).reset()["image"], first)


def test_it_says_what_it_has_and_what_it_has_not(levels):
    worlds = face(levels, 3)
    assert worlds.get_attr("num_last") == [4, 4, 4]
    assert worlds.env_is_wrapped(Monitor, indices=[0]) == [True]
    assert not worlds.has_attr("agent_pos")
    with pytest.raises(NotImplementedError, match=r"seed.*type DummyVecEnv"):
        worlds.env_method("seed", 3)
    with pytest.raises(NotImplementedError, match=r"max_steps.*--engine sb3"):
        worlds.set_attr("max_steps", 3)
    worlds.close()


@pytest.mark.parametrize("policy", ["MultiInputPolicy", FiLMPolicy])
def test_stock_algorithms_train_on_pixels(levels, policy):
    worlds = face(levels, 4, pixels=True)
    agent = PPO(policy, worlds, n_steps=8, batch_size=8, device="cpu")
    agent.learn(32)
    action, _ = agent.predict(worlds.reset())
    assert action.shape == (4,)


def test_the_first_reset_begins_anew_whoever_stepped_the_worlds_before(levels):
    worlds = InstructedWorlds(levels, 16, seed=1)
    expected = worlds.to_numpy(worlds.view)
    for _ in range(3):
        worlds.step(torch.full((16,), 2))
    for name, array in BatchedVecEnv(worlds).reset().items():
        np.testing.assert_array_equal(array, expected[name])
