"""Observations hold minigrid's view, the sentence's tokens and the last actions."""

import numpy as np
import pytest

from envs import MAX_WORDS, make_env, tokenize

TASKS = ["BabyAI-GoToLocal-v0", "BabyAI-BossLevel-v0", "put the red ball next to a door"]


def walk(env, steps, seed=0):
    """Yields every observation of a random walk with the actions of its episode so far."""
    actions = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    done = []
    yield observation, done
    for _ in range(steps):
        action = int(actions.integers(7))
        observation, _, terminated, truncated, _ = env.step(action)
        done = [*done, action]
        yield observation, done
        if terminated or truncated:
            observation, _ = env.reset()
            done = []
            yield observation, done


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("last_actions", [0, 1, 4])
def test_the_space_holds_every_observation(task, last_actions):
    env = make_env(task, last_actions=last_actions)
    for observation, _ in walk(env, 100):
        assert observation in env.observation_space


@pytest.mark.parametrize("task", TASKS)
def test_the_image_is_minigrids_view(task):
    env = make_env(task)
    for observation, _ in walk(env, 50):
        np.testing.assert_array_equal(observation["image"], env.unwrapped.gen_obs()["image"])


@pytest.mark.parametrize("task", TASKS)
def test_the_instruction_is_the_missions_tokens_padded_with_0(task):
    env = make_env(task)
    for observation, _ in walk(env, 50):
        tokens = tokenize(env.unwrapped.mission)
        assert observation["instruction"].tolist() == tokens + [0] * (MAX_WORDS - len(tokens))


@pytest.mark.parametrize("last_actions", [1, 4])
def test_last_actions_are_newest_first_one_more_than_the_action_and_0_before_the_first(
    last_actions,
):
    env = make_env("BabyAI-GoToLocal-v0", last_actions=last_actions)
    for observation, done in walk(env, 150):
        expected = [action + 1 for action in reversed(done)] + [0] * last_actions
        assert observation["last_actions"].tolist() == expected[:last_actions]


def test_without_last_actions_the_observation_has_no_such_key():
    env = make_env("BabyAI-GoToLocal-v0", last_actions=0)
    assert (
        set(env.reset(seed=0)[0]) == {"image", "instruction"} == set(env.observation_space.keys())
    )


def test_an_observation_is_never_changed_later():
    env = make_env("BabyAI-GoToLocal-v0")
    kept, copies = [], []
    for observation, _ in walk(env, 150):
        kept.append(observation)
        copies.append({key: array.copy() for key, array in observation.items()})
    for observation, copy in zip(kept, copies, strict=True):
        for key in copy:
            np.testing.assert_array_equal(observation[key], copy[key])
