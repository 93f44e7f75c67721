"""From a level's id or a sentence to an environment."""

from collections.abc import Sequence

import gymnasium as gym
import minigrid  # noqa: F401  (registers the BabyAI levels)
from minigrid.wrappers import RGBImgPartialObsWrapper

import envs.quiet  # noqa: F401  (keeps minigrid from printing)
from envs.errors import EnvError, did_you_mean
from envs.observation import TILE, InstructionObservation
from envs.replay import Replayable

INSTRUCTION_ID = "FiLM-RL/Instruction-v0"

if INSTRUCTION_ID not in gym.registry:
    gym.register(INSTRUCTION_ID, entry_point="envs.sentence_level:SentenceLevel")


def level_ids() -> tuple[str, ...]:
    """Returns the ids of minigrid's BabyAI levels, in alphabetical order."""
    return tuple(sorted(name for name in gym.registry if name.startswith("BabyAI-")))


def make_env(
    task: str | Sequence[str],
    *,
    room_size: int | None = None,
    distractors: int | None = None,
    last_actions: int = 4,
    pixels: bool = False,
    render_mode: str | None = None,
) -> InstructionObservation:
    """Makes one environment.

    Args:
        task: A BabyAI level ("BabyAI-GoToLocal-v0"), or one or several instructions, with or
            without slots ("go to the {color} ball").
        room_size: For instructions: cells along a room's side, walls included; 8 if not given.
        distractors: For instructions: objects beyond those of the sentence; 7 if not given.
        last_actions: How many of the last actions the agent is shown; see `InstructionObservation`.
        pixels: The view as a picture of 56 x 56 pixels, 8 a cell's side, in place of symbols.
        render_mode: None, "rgb_array" or "human".

    Raises:
        InstructionError: if an instruction is not in the language.
        EnvError: if no level has that id, if it has one and `room_size` or `distractors` are given,
            or if there is no world for an instruction.
    """
    settings = {"room_size": room_size, "distractors": distractors}
    given = {name: value for name, value in settings.items() if value is not None}
    if isinstance(task, str) and _is_level_id(task):
        _check_level(task, given)
        level = gym.make(task, render_mode=render_mode, disable_env_checker=True)
    else:
        level = gym.make(
            INSTRUCTION_ID,
            instructions=task,
            render_mode=render_mode,
            disable_env_checker=True,
            **given,
        )
    seen = RGBImgPartialObsWrapper(level, TILE) if pixels else level
    return InstructionObservation(Replayable(seen), last_actions)


def _is_level_id(task: str) -> bool:
    """Whether a task is meant as an id: a sentence has spaces, and no sentence starts so."""
    return task.lower().startswith(("babyai-", "minigrid-")) or len(task.split()) == 1


def _check_level(task: str, given: dict[str, int]) -> None:
    if task in level_ids():
        if given:
            options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
            raise EnvError(
                f"{task} has its own world: {options} can only be given with an instruction"
            )
        return
    if task in gym.registry:
        raise EnvError(
            f"{task} is not a BabyAI level: its missions are not in the language of instructions; "
            "type a BabyAI-... level or a sentence"
        )
    raise EnvError(
        f"no level is called '{task}'{did_you_mean(task, level_ids())}; type a level such as "
        'BabyAI-GoToLocal-v0 or a sentence such as "go to the red ball"'
    )
