"""The language control: does the agent follow the sentence, or only its habits?

The sentence the agent reads is replaced by one that names another object present in the same room.
Whichever of the two objects it faces first tells which sentence it follows. Giving it any other
sentence would be a weaker test: where the named object is absent, it meets the old one by accident.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.evaluation import SIDE_BY_SIDE, Steps, World, run_episodes, wilson_interval
from agents.task import EVALUATION_SEED, TaskLike, as_task
from envs import parse_instruction, tokenize
from envs.grammar import COLORS, KINDS, MOVABLE, Descr, GoTo, Instruction, Pickup


@dataclass(frozen=True)
class LanguageControl:
    """Which object was faced first when the sentence named another one.

    Attributes:
        named_rate: named first / (named first + old first), None if neither was ever reached.
        named_ci95: its 95% Wilson interval.
        named_first, old_first, neither: episodes.
        skipped: episodes in which no sentence of the task names another thing in the room.
    """

    named_rate: float | None
    named_ci95: tuple[float, float]
    named_first: int
    old_first: int
    neither: int
    skipped: int

    def to_json(self) -> dict[str, Any]:
        """As a plain dict."""
        return asdict(self)


def language_control(
    agent: BaseAlgorithm,
    task: TaskLike,
    episodes: int = 512,
    *,
    deterministic: bool = False,
    seed: int = EVALUATION_SEED,
    num_envs: int = SIDE_BY_SIDE,
) -> LanguageControl:
    """Swap the sentence for one naming another object of the room; count which is faced first.

    It applies to "go to ..." and "pick up ..." sentences without a place. For a task of sentences
    the new one is another sentence of the task (the agent has met no others); for a level it is the
    same sentence about another thing. Arguments as of `agents.evaluate`.
    """
    task = as_task(task, agent)
    known = None if task.is_level else [parse_instruction(one) for one in task.sentences]
    outcomes: list[str] = []

    def play(env: World, world_seed: int) -> Steps:
        observation, _ = env.reset(seed=world_seed)
        level = env.unwrapped
        old = parse_instruction(level.mission)
        others = _others(level, old, known)
        if not isinstance(old, GoTo | Pickup) or not others:
            outcomes.append("skipped")
            return
        named = others[np.random.default_rng(world_seed).integers(len(others))]
        instruction = np.zeros_like(observation["instruction"])
        words = tokenize(str(named))
        instruction[: len(words)] = words
        over = False
        while not over:
            action = yield {**observation, "instruction": instruction}
            observation, _, terminated, truncated, _ = env.step(action)
            faced = level.grid.get(*level.front_pos)
            for name, sentence in (("named", named), ("old", old)):
                if _fits(faced, sentence.target):
                    outcomes.append(name)
                    return
            over = terminated or truncated
        outcomes.append("neither")

    run_episodes(agent, task, play, range(seed, seed + episodes), deterministic, num_envs)
    named, old = outcomes.count("named"), outcomes.count("old")
    return LanguageControl(
        named_rate=named / (named + old) if named + old else None,
        named_ci95=wilson_interval(named, named + old),
        named_first=named,
        old_first=old,
        neither=outcomes.count("neither"),
        skipped=outcomes.count("skipped"),
    )


def _others(
    level: Any, old: Instruction, known: Sequence[Instruction] | None
) -> list[GoTo | Pickup]:
    """The sentences that are true of another thing in the agent's room, and of none of the old."""
    if not isinstance(old, GoTo | Pickup) or old.target.location:
        return []
    things = [thing for thing in level.grid.grid if thing]
    room = level.room_from_pos(*level.agent_pos)
    left, top = room.top
    cells = product(range(left, left + room.size[0]), range(top, top + room.size[1]))
    here = [thing for cell in cells if (thing := level.grid.get(*cell))]
    if known is None:
        known = [
            type(old)(Descr(article, color, kind))
            for article, color, kind in product(("the", "a"), COLORS, (*MOVABLE, "door"))
        ]
    return [
        other
        for other in known
        if type(other) is type(old)
        and not other.target.location
        and not (isinstance(other, Pickup) and other.target.kind == "door")
        and _is_true(other.target, things)
        and any(_fits(thing, other.target) for thing in here)
        and not any(_fits(thing, other.target) and _fits(thing, old.target) for thing in things)
    ]


def _is_true(descr: Descr, things: list[Any]) -> bool:
    """Whether exactly one thing fits "the ...", or several fit "a ..."."""
    count = sum(_fits(thing, descr) for thing in things)
    return count == 1 if descr.article == "the" else count > 1


def _fits(thing: Any, descr: Descr) -> bool:
    """Whether what is in a cell (None if nothing is) is an object or door of this description."""
    if thing is None or thing.type not in KINDS:
        return False
    kinds = MOVABLE if descr.kind == "object" else (descr.kind,)
    return thing.type in kinds and descr.color in (None, thing.color)
