"""From a level's id or a sentence to an environment."""

import gymnasium as gym
import minigrid  # noqa: F401  (registers the BabyAI levels)

import envs.quiet  # noqa: F401  (keeps minigrid from printing)
from envs.errors import EnvError, did_you_mean
from envs.observation import InstructionObservation
from envs.replay import Replayable


def level_ids() -> tuple[str, ...]:
    """Returns the ids of minigrid's BabyAI levels, in alphabetical order."""
    return tuple(sorted(name for name in gym.registry if name.startswith("BabyAI-")))


def make_env(
    task: str,
    *,
    last_actions: int = 4,
    render_mode: str | None = None,
) -> InstructionObservation:
    """Makes one environment for a level."""
    if task not in level_ids():
        raise EnvError(f"no level is called '{task}'{did_you_mean(task, level_ids())}")
    level = gym.make(task, render_mode=render_mode, disable_env_checker=True)
    return InstructionObservation(Replayable(level), last_actions)
