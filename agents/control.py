"""The language control: does the agent follow the sentence, or only its habits?

The sentence the agent reads is replaced by one that names another object present in the same room.
Whichever of the two objects it faces first tells which sentence it follows. Giving it any other
sentence would be a weaker test: where the named object is absent, it meets the old one by accident.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.evaluation import Steps, World, as_task, run_episodes, wilson_interval
from agents.task import EVALUATION_SEED, Task
from envs import expand, parse_instruction, tokenize
from envs.grammar import Descr, GoTo, Pickup


@dataclass(frozen=True)
class LanguageControl:
    """Which object was faced first when the sentence named another one.

    Attributes:
        named_rate: named first / (named first + old first), None if neither was ever reached.
        named_ci95: its 95% Wilson interval.
        named_first, old_first, neither: episodes.
        skipped: episodes in which no other object can be named by a sentence of the task.
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
    task: Task | str,
    episodes: int = 512,
    *,
    deterministic: bool = False,
    seed: int = EVALUATION_SEED,
    num_envs: int = 64,
) -> LanguageControl:
    """Swap the sentence for one naming another object of the room; count which is faced first.

    It applies to "go to ..." and "pick up ..." sentences that name an object. For a task of
    sentences the new one is another sentence of the task (the agent has met no others); for a level
    it is the same sentence about the other object. Arguments as of `agents.evaluate`.
    """
    task = as_task(task, agent)
    known = _known_sentences(task)
    outcomes: list[str] = []

    def play(env: World, world_seed: int) -> Steps:
        observation, _ = env.reset(seed=world_seed)
        choice = np.random.default_rng(world_seed)
        swap = _other_sentence(env.unwrapped, known, choice)
        if swap is None:
            outcomes.append("skipped")
            return
        sentence, old, named = swap
        instruction = np.zeros_like(observation["instruction"])
        words = tokenize(sentence)
        instruction[: len(words)] = words
        while True:
            action = yield {**observation, "instruction": instruction}
            observation, _, terminated, truncated, _ = env.step(action)
            faced = _description(env.unwrapped.grid.get(*env.unwrapped.front_pos))
            if faced in (old, named) or terminated or truncated:
                outcomes.append({old: "old", named: "named"}.get(faced, "neither"))
                return

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


def _known_sentences(task: Task) -> set[str] | None:
    """The sentences of the task; None for a level, whose generator knows them all."""
    if task.names[0].startswith("BabyAI-"):
        return None
    return set(expand(task.names))


def _other_sentence(
    level: Any, known: set[str] | None, choice: np.random.Generator
) -> tuple[str, Any, Any] | None:
    """A sentence about another object in the room, that object's and the old one's description."""
    tree = parse_instruction(level.mission)
    if not isinstance(tree, GoTo | Pickup) or tree.target.location or not tree.target.color:
        return None
    target = tree.target
    old = (target.color, target.kind)
    present = [_description(cell) for cell in level.grid.grid]
    swaps = []
    for named in sorted({d for d in present if d and d[1] != "door"} - {old}):
        article = "the" if present.count(named) == 1 else "a"
        sentence = str(type(tree)(Descr(article, *named)))
        if known is None or sentence in known:
            swaps.append((sentence, old, named))
    return swaps[choice.integers(len(swaps))] if swaps else None


def _description(cell: Any) -> tuple[str, str] | None:
    """(colour, kind) of what is in a cell, None for empty cells and walls."""
    return (cell.color, cell.type) if cell and cell.type != "wall" else None
