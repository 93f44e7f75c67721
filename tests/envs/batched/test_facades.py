"""The batched worlds behind Gymnasium's vector interface."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from minigrid.wrappers import RGBImgPartialObsWrapper

from envs import EnvError, make_env
from envs.batched import LevelBank
from envs.batched.facades import BatchedVectorEnv, InstructedWorlds
from tests.kill_and_resume import assert_same

SENTENCES = ("go to the red ball", "put the blue key next to the green box")
WORLDS, STEPS = 5, 60


@pytest.fixture(scope="module")
def bank() -> LevelBank:
    levels = [make_env(SENTENCES, room_size=5, distractors=1) for _ in range(8)]
    for seed, level in enumerate(levels):
        level.reset(seed=seed)
    return LevelBank.from_minigrid(levels)


def walk(face: BatchedVectorEnv, seed: int = 0):
    actions = np.random.default_rng(seed)
    for _ in range(STEPS):
        yield face.step(actions.integers(7, size=WORLDS))


@pytest.mark.parametrize("last_actions", [0, 1, 4])
def test_every_observation_is_in_the_space_of_make_env(bank, last_actions):
    face = BatchedVectorEnv(InstructedWorlds(bank, WORLDS, last_actions=last_actions))
    single = make_env(SENTENCES, last_actions=last_actions).observation_space
    assert face.single_observation_space == single
    observation, info = face.reset(seed=1)
    assert info == {}
    assert observation in face.observation_space
    for observation, reward, terminated, truncated, _ in walk(face):
        assert observation in face.observation_space
        assert reward.dtype == np.float64
        assert terminated.dtype == truncated.dtype == bool


def test_one_world_is_one_environment_of_make_env():
    """A bank of one level: every episode begins as that environment did."""
    env = make_env(SENTENCES, room_size=5, distractors=1)
    first, _ = env.reset(seed=7)
    face = BatchedVectorEnv(InstructedWorlds(LevelBank.from_minigrid([env]), 1))
    seen, _ = face.reset(seed=0)
    actions = np.random.default_rng(0)
    ends = 0
    for _ in range(120):
        for name, array in first.items():
            np.testing.assert_array_equal(seen[name][0], array)
        action = int(actions.integers(7))
        first, reward, terminated, truncated, _ = env.step(action)
        seen, *theirs, info = face.step(np.array([action]))
        assert [float(reward), terminated, truncated] == [part[0] for part in theirs]
        if terminated or truncated:
            ends += 1
            for name, array in first.items():
                np.testing.assert_array_equal(info["final_obs"][0][name], array)
            assert info["final_info"]["is_success"][0] == (reward > 0)
            first, _ = env.reset(seed=7)
        else:
            assert info == {}
    assert ends > 1


def test_worlds_reset_in_the_step_that_ends_them(bank):
    face = BatchedVectorEnv(InstructedWorlds(bank, WORLDS))
    assert face.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    face.reset(seed=0)
    ends = 0
    for observation, _, terminated, truncated, info in walk(face):
        over = terminated | truncated
        ends += over.sum()
        assert not observation["last_actions"][over].any()  # its next episode has just begun
        assert observation["last_actions"][~over].any(axis=1).all()
        if over.any():
            assert info["_final_obs"].tolist() == over.tolist()
            assert [last is not None for last in info["final_obs"]] == over.tolist()
    assert ends > 0


def test_the_same_seed_is_the_same_episodes_and_another_seed_others(bank):
    def images(seed):
        face = BatchedVectorEnv(InstructedWorlds(bank, WORLDS))
        start, _ = face.reset(seed=seed)
        return np.stack([start["image"], *(result[0]["image"] for result in walk(face))])

    assert np.array_equal(images(4), images(4))
    assert not np.array_equal(images(4), images(5))


def test_observations_share_no_memory_with_later_ones(bank):
    face = BatchedVectorEnv(InstructedWorlds(bank, WORLDS))
    observation, _ = face.reset(seed=0)
    copies = {name: array.copy() for name, array in observation.items()}
    for _ in walk(face):
        pass
    for name, array in copies.items():
        np.testing.assert_array_equal(observation[name], array)


def test_a_state_goes_on_exactly(bank):
    def outcomes(worlds, actions):
        return [worlds.step(torch.as_tensor(action)) for action in actions]

    actions = np.random.default_rng(0).integers(7, size=(40, WORLDS))
    first, second = InstructedWorlds(bank, WORLDS, seed=1), InstructedWorlds(bank, WORLDS, seed=2)
    outcomes(first, actions[:20])
    second.set_state(first.state())
    for a, b in zip(outcomes(first, actions[20:]), outcomes(second, actions[20:]), strict=True):
        for x, y in zip((*a.view, *a.final, *a[1:4]), (*b.view, *b.final, *b[1:4]), strict=True):
            assert x.equal(y)


def test_a_negative_number_of_last_actions_is_refused(bank):
    with pytest.raises(EnvError, match="last_actions is -1"):
        InstructedWorlds(bank, WORLDS, last_actions=-1)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.full(WORLDS, 0.5), "float64"),
        (np.zeros(WORLDS + 1, np.int64), r"\(6,\)"),
        (np.full(WORLDS, 7), "from 7 to 7"),
        (np.full(WORLDS, -1), "from -1 to -1"),
        (["left"] * WORLDS, "<U4"),
    ],
)
def test_wrong_actions_are_refused_before_anything_moves(bank, actions, message):
    face = BatchedVectorEnv(InstructedWorlds(bank, WORLDS))
    face.reset(seed=0)
    before = face.worlds.worlds.state()
    with pytest.raises(EnvError, match=f"{message}.*type "):
        face.step(actions)
    assert_same(face.worlds.worlds.state(), before)


@pytest.mark.parametrize("task", ["BabyAI-PutNextS5N2Carrying-v0", "BabyAI-KeyInBox-v0"])
def test_pixels_are_those_of_minigrids_wrapper(task):
    """A bank of one level: every episode begins as that environment did."""
    env = RGBImgPartialObsWrapper(gym.make(task, max_steps=20))
    first, _ = env.reset(seed=7)
    worlds = InstructedWorlds(LevelBank.from_minigrid([env]), 1, pixels=True)
    face = BatchedVectorEnv(worlds)
    assert face.single_observation_space["image"] == env.observation_space["image"]
    seen, _ = face.reset(seed=0)
    actions = np.random.default_rng(0)
    for _ in range(50):
        assert seen in face.observation_space
        np.testing.assert_array_equal(seen["image"][0], first["image"])
        action = int(actions.integers(7))
        first, _, terminated, truncated, _ = env.step(action)
        seen, *_, info = face.step(np.array([action]))
        if terminated or truncated:
            np.testing.assert_array_equal(info["final_obs"][0]["image"], first["image"])
            first, _ = env.reset(seed=7)
    again = InstructedWorlds(worlds.bank, 1, pixels=True, seed=1)
    again.set_state(worlds.state())
    np.testing.assert_array_equal(again.to_numpy(again.view)["image"], seen["image"])
