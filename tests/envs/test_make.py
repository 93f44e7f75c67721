"""make_env takes levels and sentences, and says what is wrong with anything else."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from envs import EnvError, InstructionError, SentenceLevel, level_ids, make_env

TASKS = ["BabyAI-GoToLocal-v0", "BabyAI-BossLevel-v0", "go to the red ball", "open a door"]
# These are about minigrid's screen font, wrappers in general, and SB3's guess that any array with
# three axes is a picture (the view is none, and its bounds say so).
EXPECTED = [
    "ignore:.*The system font",
    "ignore:.*is different from the unwrapped version",
    "ignore:It seems that your observation space image is an image",
    "ignore:The minimal resolution for an image",
]


def test_minigrid_has_96_levels():
    assert len(level_ids()) == 96
    assert list(level_ids()) == sorted(level_ids())


@pytest.mark.parametrize("level", level_ids())
def test_every_level_can_be_made_and_gives_its_own_worlds(level):
    env, original = make_env(level), gym.make(level, disable_env_checker=True)
    observation, _ = env.reset(seed=5)
    expected, _ = original.reset(seed=5)
    np.testing.assert_array_equal(observation["image"], expected["image"])
    assert env.unwrapped.mission == expected["mission"]


def test_a_sentence_makes_a_level_with_its_settings():
    env = make_env("go to the red ball", room_size=5, distractors=1)
    env.reset(seed=0)
    assert isinstance(env.unwrapped, SentenceLevel)
    assert (env.unwrapped.room_size, env.unwrapped.distractors) == (5, 1)
    assert env.unwrapped.mission == "go to the red ball"


def test_several_sentences_make_one_level():
    env = make_env(["go to the key", "open the {color} door"])
    assert len(env.unwrapped.instructions) == 7


def test_a_level_and_its_pictures():
    env = make_env("go to the red ball", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (256, 256, 3)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("BabyAI-GoToLocl-v0", "did you mean 'BabyAI-GoToLocal-v0'"),
        ("babyai-gotolocal-v0", "did you mean 'BabyAI-GoToLocal-v0'"),
        ("GoToLocal", "did you mean 'BabyAI-GoToLocal-v0'"),
        ("go", "or a sentence such as"),
        ("MiniGrid-Empty-5x5-v0", "is not a BabyAI level"),
        ("CartPole-v1", "is not a BabyAI level"),
        ([], "no instruction was given"),
    ],
)
def test_an_unknown_task_is_refused(task, message):
    with pytest.raises(EnvError, match=message):
        make_env(task)


@pytest.mark.parametrize("task", ["", "go to the rde ball"])
def test_a_sentence_outside_the_language_is_refused(task):
    with pytest.raises(InstructionError):
        make_env(task)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"room_size": 8}, "--room-size can"),
        ({"distractors": 7}, "--distractors can"),
        ({"room_size": 8, "distractors": 0}, "--room-size and --distractors can"),
    ],
)
def test_a_level_takes_no_settings_of_sentences(settings, named):
    with pytest.raises(EnvError, match=named):
        make_env("BabyAI-GoToLocal-v0", **settings)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings(*EXPECTED)
def test_gymnasium_and_sb3_accept_the_environment(task, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = make_env(task)
    check_env(env)
    check_env_for_sb3(env)


@pytest.mark.filterwarnings(*EXPECTED)
def test_gymnasium_accepts_the_level_without_wrappers(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make("FiLM-RL/Instruction-v0", instructions="go to the {color} ball")
    check_env(env.unwrapped)


@pytest.mark.parametrize(
    "task", ["BabyAI-PutNextLocal-v0", "BabyAI-BossLevel-v0", "put a key next to a box"]
)
def test_nothing_is_written_to_the_terminal(task, capfd):
    env = make_env(task)
    env.reset(seed=0)
    for _ in range(100):
        env.reset()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "code",
    [
        "import envs",
        "import minigrid, envs",
        "import envs, minigrid, importlib; importlib.reload(envs)",
    ],
)
def test_importing_is_silent(code):
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert shown.stdout + shown.stderr == ""
