"""A task: the level or sentences an agent is trained or tested on, and how to make its worlds."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config import FollowerConfig
from agents.mixture import EXAMPLE, check_levels, read_shares
from envs import expand, level_ids, make_env
from envs.hold_out import divided
from envs.mixture import Mixture
from envs.observation import MAX_CODE
from film_rl.run.errors import UserError

EVALUATION_SEED = 1_000_000_000
"""Evaluation worlds are seeded from here on; training seeds stay below."""


@dataclass(frozen=True)
class Task:
    """What `envs.make_env` needs to know.

    Attributes:
        names: one level id, or one or several sentences (slots allowed); kept as a tuple. With
            `shares`, several level ids.
        room_size, distractors: for sentences; None takes the default.
        last_actions: how many of its last actions the agent sees.
        hold_out: pairs such as "red key" that no sentence may name (`envs.hold_out`).
        pixels: the view is a picture.
        shares: of a mixture of levels, each one's of the episodes.
    """

    names: str | Sequence[str]
    room_size: int | None = None
    distractors: int | None = None
    last_actions: int = 4
    hold_out: tuple[str, ...] = ()
    pixels: bool = False
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        names = (self.names,) if isinstance(self.names, str) else tuple(self.names)
        object.__setattr__(self, "names", names)

    @classmethod
    def of_config(cls, config: FollowerConfig) -> "Task":
        """The task of a training run, of a curriculum its last level.

        Raises:
            UserError: it is not given in exactly one way, or wrongly.
        """
        ways = (config.instr, config.level, config.mixture, config.curriculum)
        if sum(map(bool, ways)) != 1:
            raise UserError(
                'give either --instr (such as --instr "go to the red ball", repeatable) '
                "or --level (such as --level BabyAI-GoToLocal-v0) or several levels with their "
                f"shares (such as {EXAMPLE}) or one after another (--curriculum LEVEL LEVEL ...)"
            )
        shares = read_shares(config.mixture)
        check_levels("--curriculum", config.curriculum)
        names = config.instr or tuple(shares) or (config.level or config.curriculum[-1],)
        if config.hold_out and not config.instr:
            raise UserError(
                f"--hold-out leaves out sentences, and {names[0]} makes its own; give "
                'sentences instead, such as --instr "go to the {color} {object}"'
            )
        return cls(
            names,
            config.room_size,
            config.distractors,
            config.last_actions,
            config.hold_out,
            pixels=config.view == "pixels",
            shares=tuple(map(float, shares.values())),
        )

    def make(self, render_mode: str | None = None) -> gymnasium.Env:
        """One world of it; of a mixture, one that becomes one of either level at each reset."""
        if self.shares:
            return Mixture([part.make(render_mode) for part in self.parts], self.shares)
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
    def parts(self) -> tuple["Task", ...]:
        """The levels of a mixture, each as a task; of another task, itself."""
        if not self.shares:
            return (self,)
        return tuple(dataclasses.replace(self, names=name, shares=()) for name in self.names)

    @property
    def is_level(self) -> bool:
        """Whether it is BabyAI's levels rather than sentences."""
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
        if self.shares:
            pairs = zip(self.names, self.shares, strict=True)
            return "; ".join(f"{name} {share:.3g}" for name, share in pairs)
        without = f", without {', '.join(self.hold_out)}" if self.hold_out else ""
        return "; ".join(self.names) + without


def tasks_of(config: FollowerConfig) -> tuple[Task, ...]:
    """What a run trains on: the levels of a mixture or of a curriculum, or its one task."""
    task = Task.of_config(config)
    if not config.curriculum:
        return task.parts
    return tuple(dataclasses.replace(task, names=level) for level in config.curriculum)


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
    config: FollowerConfig,
    instr: tuple[str, ...] = (),
    level: str | None = None,
    room_size: int | None = None,
    distractors: int | None = None,
) -> Task:
    """The task to test a trained agent on: what was typed, or what it was trained on."""
    hold_out: tuple[str, ...] = ()
    mixture: tuple[str, ...] = ()
    curriculum: tuple[str, ...] = ()
    if not instr and not level:
        instr, level, hold_out = config.instr, config.level, config.hold_out
        mixture, curriculum = config.mixture, config.curriculum
        room_size = config.room_size if room_size is None else room_size
        distractors = config.distractors if distractors is None else distractors
    typed = dataclasses.replace(
        config,
        instr=instr,
        level=level,
        mixture=mixture,
        curriculum=curriculum,
        hold_out=hold_out,
        room_size=room_size,
        distractors=distractors,
    )
    return Task.of_config(typed)
