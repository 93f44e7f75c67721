"""A task: the level or sentences an agent is trained or tested on, and how to make its worlds."""

import dataclasses
from dataclasses import dataclass

import gymnasium

from agents.config import AgentConfig
from envs import make_env
from film_rl.run.errors import UserError

EVALUATION_SEED = 1_000_000_000
"""Evaluation worlds are seeded from here on; training seeds stay below."""


@dataclass(frozen=True)
class Task:
    """What `envs.make_env` needs to know.

    Attributes:
        names: one level id, or one or several sentences (slots allowed).
        room_size, distractors: for sentences; None takes the default.
        last_actions: how many of its last actions the agent sees.
    """

    names: tuple[str, ...]
    room_size: int | None = None
    distractors: int | None = None
    last_actions: int = 4

    @classmethod
    def of_config(cls, config: AgentConfig) -> "Task":
        """The task of a training run; UserError unless there are either sentences or one level."""
        if bool(config.instr) == bool(config.level):
            raise UserError(
                'give either --instr (such as --instr "go to the red ball", repeatable) '
                "or --level (such as --level BabyAI-GoToLocal-v0)"
            )
        names = config.instr or (config.level or "",)
        return cls(names, config.room_size, config.distractors, config.last_actions)

    def make(self, render_mode: str | None = None) -> gymnasium.Env:
        """One world of it."""
        return make_env(
            self.names[0] if len(self.names) == 1 else self.names,
            room_size=self.room_size,
            distractors=self.distractors,
            last_actions=self.last_actions,
            render_mode=render_mode,
        )

    def __str__(self) -> str:
        return "; ".join(self.names)


def task_for(
    config: AgentConfig,
    instr: tuple[str, ...] = (),
    level: str | None = None,
    room_size: int | None = None,
    distractors: int | None = None,
) -> Task:
    """The task to test a trained agent on: what was typed, or what it was trained on."""
    if not instr and not level:
        instr, level = config.instr, config.level
        room_size = config.room_size if room_size is None else room_size
        distractors = config.distractors if distractors is None else distractors
    typed = dataclasses.replace(
        config, instr=instr, level=level, room_size=room_size, distractors=distractors
    )
    return Task.of_config(typed)
