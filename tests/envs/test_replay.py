"""A restored environment goes on exactly as the saved one."""

import json

import numpy as np
import pytest

from envs import level_ids, make_env

TASKS = [
    "BabyAI-GoToLocal-v0",
    "BabyAI-BossLevel-v0",
    "BabyAI-PutNextS7N4Carrying-v0",
    "BabyAI-KeyInBox-v0",
    "BabyAI-OneRoomS8-v0",
    "go to the red ball",
    "open a door on your left and go to the key",
    "put the {color} {object} next to the {color} {object}",
]


def run(env, steps, actions):
    """Acts at random, starting over after each episode; returns all that was seen."""
    seen = []
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(int(actions.integers(7)))
        seen.append((as_lists(observation), reward, terminated, truncated, env.unwrapped.mission))
        if terminated or truncated:
            seen.append(as_lists(env.reset()[0]))
    return seen


def as_lists(observation):
    return {key: array.tolist() for key, array in observation.items()}


def assert_goes_on_alike(task, env, steps):
    state = json.loads(json.dumps(env.state()))
    restored = make_env(task)
    restored.set_state(state)
    assert restored.state() == env.state()
    assert restored.unwrapped.pprint_grid() == env.unwrapped.pprint_grid()
    rest = run(env, steps, np.random.default_rng(1))
    assert run(restored, steps, np.random.default_rng(1)) == rest
    assert restored.state() == env.state()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("steps", [0, 10, 300])
def test_after_any_number_of_episodes(task, steps):
    env = make_env(task)
    env.reset(seed=4)
    run(env, steps, np.random.default_rng(0))
    assert_goes_on_alike(task, env, steps=100)


@pytest.mark.parametrize("level", level_ids())
def test_in_every_level(level):
    env = make_env(level)
    env.reset(seed=4)
    env.reset()
    run(env, 10, np.random.default_rng(0))
    assert_goes_on_alike(level, env, steps=30)


@pytest.mark.parametrize("task", TASKS)
def test_an_environment_that_was_never_seeded(task):
    env = make_env(task)
    env.reset()
    run(env, 20, np.random.default_rng(0))
    assert_goes_on_alike(task, env, steps=50)


def test_set_state_returns_the_last_observation():
    env, restored = make_env("BabyAI-BossLevel-v0"), make_env("BabyAI-BossLevel-v0")
    env.reset(seed=0)
    for action in (1, 2, 2, 0, 3, 2):
        last = env.step(action)[0]
        assert as_lists(restored.set_state(env.state())) == as_lists(last)


def test_an_environment_can_be_set_back_to_an_earlier_state():
    env = make_env("BabyAI-BossLevel-v0")
    env.reset(seed=0)
    env.step(2)
    state = env.state()
    first = run(env, 40, np.random.default_rng(0))
    env.reset()
    env.set_state(state)
    assert run(env, 40, np.random.default_rng(0)) == first


def test_an_environment_that_was_never_reset_has_an_empty_state():
    env = make_env("go to the red ball")
    assert env.state() == {"begin": {}, "actions": []}
    other = make_env("go to the red ball")
    other.reset(seed=0)
    assert other.set_state(env.state()) is None
    assert other.state() == env.state()
