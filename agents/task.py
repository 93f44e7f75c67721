"""A task: the level or sentences an agent is trained or tested on, and how to make its worlds."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config import AgentConfig
from envs import expand, level_ids, make_env
from envs.hold_out import divided
from envs.observation import MAX_CODE
from film_rl.run.errors import UserError

EVALUATION_SEED = 1_000_000_000
"""Evaluation worlds are seeded from here on; training seeds stay below."""


@dataclass(frozen=True)
class Task:
    """What `envs.make_env` needs to know.

    Attributes:
        names: one level id, or one or several sentences (slots allowed); kept as a tuple.
        room_size, distractors: for sentences; None takes the default.
        last_actions: how many of its last actions the agent sees.
        hold_out: pairs such as "red key" that no sentence may name (`envs.hold_out`).
        pixels: the view is a picture.
    """

    names: str | Sequence[str]
    room_size: int | None = None
    distractors: int | None = None
    last_actions: int = 4
    hold_out: tuple[str, ...] = ()
    pixels: bool = False

    def __post_init__(self) -> None:
        names = (self.names,) if isinstance(self.names, str) else tuple(self.names)
        object.__setattr__(self, "names", names)

    @classmethod
    def of_config(cls, config: AgentConfig) -> "Task":
        """The task of a training run; UserError unless there are either sentences or one level."""
        if bool(config.instr) == bool(config.level):
            raise UserError(
                'give either --instr (such as --instr "go to the red ball", repeatable) '
                "or --level (such as --level BabyAI-GoToLocal-v0)"
            )
        if config.level and config.hold_out:
            raise UserError(
                f"--hold-out leaves out sentences, and {config.level} makes its own; give "
                'sentences instead, such as --instr "go to the {color} {object}"'
            )
        return cls(
            config.instr or (config.level or "",),
            config.room_size,
            config.distractors,
            config.last_actions,
            config.hold_out,
            pixels=config.view == "pixels",
        )

    def make(self, render_mode: str | None = None) -> gymnasium.Env:
        """One world of it."""
        names = self.sentences if self.hold_out else self.names
        return make_env(
            names[0] if len(names) == 1 else names,
            room_size=self.room_size,
            distractors=self.distractors,
            last_actions=self.last_actions,
            pixels=self.pixels,
            render_mode=render_mode,
        )

    @property
    def is_level(self) -> bool:
        """Whether it is a BabyAI level rather than sentences."""
        return self.names[0] in level_ids()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All sentences of a task of sentences, without those held out."""
        return divided(expand(self.names), self.hold_out)[0]

    def held_out(self) -> "Task":
        """The task of those held out; UserError where there are none."""
        if not self.hold_out:
            raise UserError(
                f"no sentence of '{self}' is held out; train with --hold-out, such as "
                '--instr "go to the {color} {object}" --hold-out "red key"'
            )
        left_out = divided(expand(self.names), self.hold_out)[1]
        return dataclasses.replace(self, names=left_out, hold_out=())

    def __str__(self) -> str:
        without = f", without {', '.join(self.hold_out)}" if self.hold_out else ""
        return "; ".join(self.names) + without


TaskLike = Task | str | Sequence[str]


def as_task(task: TaskLike, agent: BaseAlgorithm) -> Task:
    """The task, with the observations the agent was trained on; UserError where they differ."""
    spaces = getattr(agent.observation_space, "spaces", {})
    if not {"image", "instruction"} <= set(spaces):
        raise UserError(
            f"the agent sees {agent.observation_space}; expected the observations of envs.make_env "
            "(image, instruction and perhaps last_actions)"
        )
    last_actions = spaces["last_actions"].shape[0] if "last_actions" in spaces else 0
    pixels = bool(spaces["image"].high.max() > MAX_CODE)
    if not isinstance(task, Task):
        return Task(task, last_actions=last_actions, pixels=pixels)
    if task.pixels != pixels:
        saw, shows = ("pixels", "symbols") if pixels else ("symbols", "pixels")
        raise UserError(
            f"the agent was trained on {saw}, the task shows {shows}; make the task with "
            f"pixels={pixels}"
        )
    if task.last_actions != last_actions:
        raise UserError(
            f"the agent was trained with last_actions={last_actions}, the task gives "
            f"{task.last_actions}; make the task with last_actions={last_actions}"
        )
    return task


def task_for(
    config: AgentConfig,
    instr: tuple[str, ...] = (),
    level: str | None = None,
    room_size: int | None = None,
    distractors: int | None = None,
) -> Task:
    """The task to test a trained agent on: what was typed, or what it was trained on."""
    hold_out: tuple[str, ...] = ()
    if not instr and not level:
        instr, level, hold_out = config.instr, config.level, config.hold_out
        room_size = config.room_size if room_size is None else room_size
        distractors = config.distractors if distractors is None else distractors
    typed = dataclasses.replace(
        config,
        instr=instr,
        level=level,
        hold_out=hold_out,
        room_size=room_size,
        distractors=distractors,
    )
    return Task.of_config(typed)
