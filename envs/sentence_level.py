"""A level for one's own instructions: each episode draws a sentence and a world for it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from gymnasium import spaces
from minigrid.core.mission import MissionSpace

import envs.quiet  # noqa: F401  (keeps minigrid from printing)
from envs.errors import EnvError
from envs.feasibility import check_settings, smallest_world
from envs.grammar import Instruction, parse_instruction
from envs.slots import expand
from envs.world import World

MAX_ATTEMPTS = 10_000


class SentenceLevel(World):
    """The smallest worlds in which the instructions make sense and can be done.

    One room where no door is mentioned, otherwise up to 3 x 3 rooms with closed doors, none locked.
    The reward, the episode's length and what counts as done are BabyAI's.

    Args:
        instructions: One or several sentences, with slots {color}, {object} and {location} that
            take all values; each episode draws one of the sentences, uniformly.
        room_size: Width and height of a room, walls included, 4 to 20 cells.
        distractors: Number of objects beyond those that the sentence needs.
        render_mode: None, "rgb_array" or "human".

    Raises:
        InstructionError: if an instruction is not in the language.
        EnvError: if an instruction contradicts itself or finds no place in such rooms.
    """

    def __init__(
        self,
        instructions: str | Sequence[str],
        room_size: int = 8,
        distractors: int = 7,
        render_mode: str | None = None,
    ):
        check_settings(room_size, distractors)
        self.instructions = expand(instructions)
        self._worlds = _worlds(self.instructions, room_size, distractors)
        super().__init__(room_size, distractors, render_mode)
        space = cast(spaces.Dict, self.observation_space)
        space["mission"] = InstructionSpace(self.instructions)

    def _gen_grid(self, width: int, height: int) -> None:
        tree, (rows, cols) = self._worlds[self._draw(len(self._worlds))]
        for _ in range(MAX_ATTEMPTS):
            if self.attempt(tree, rows, cols):
                return
        raise EnvError(
            f"no world for '{tree}' in {MAX_ATTEMPTS} attempts; type a larger --room-size or fewer "
            "--distractors"
        )


@lru_cache(maxsize=64)
def _worlds(
    sentences: tuple[str, ...], room_size: int, distractors: int
) -> tuple[tuple[Instruction, tuple[int, int]], ...]:
    """Returns each sentence's tree and rows and columns of rooms; once for all copies."""
    return tuple(
        (parse_instruction(sentence), smallest_world(sentence, room_size, distractors))
        for sentence in sentences
    )


class InstructionSpace(MissionSpace):
    """The given sentences."""

    def __init__(self, sentences: tuple[str, ...]):
        self.sentences = frozenset(sentences)
        super().__init__(lambda sentence: sentence, ordered_placeholders=[list(sentences)])

    def contains(self, x: Any) -> bool:
        """Whether x is one of the sentences."""
        return x in self.sentences
