"""Many reset levels as tensors: where batched worlds begin.

L levels, C = width * height cells and one outside, F rows of a record, K contents of boxes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from minigrid.envs.babyai.core import verifier
from torch import Tensor

from envs.batched import storage
from envs.batched.cells import DOOR, EMPTY, KIND, WALL
from envs.batched.generate import Maker, generate_levels
from envs.batched.pack import Level, pack
from envs.batched.record import VERBS, Row
from envs.batched.verifier import Rules
from envs.errors import EnvError


@dataclass(frozen=True)
class LevelBank:
    """Levels, each as an environment's reset left it.

    Attributes:
        cells: int32 (L, C + 1), see `envs.batched.cells`; padded with walls.
        record: int32 (F, L), see `envs.batched.record`.
        contents: int32 (L, K), the cells that boxes turn into; the first of them is EMPTY.
        solvable: bool (L,); False if the level is known to have no solution: what the sentence
            needs is behind a locked door whose key is out of reach.
        sentences: the distinct missions, sorted.
        width, height: of the largest grid.
        done_actions: whether minigrid's verifier waits for the action "done"
            (BABYAI_DONE_ACTIONS).
    """

    cells: Tensor
    record: Tensor
    contents: Tensor
    solvable: Tensor
    sentences: list[str]
    width: int
    height: int
    done_actions: bool = False

    @classmethod
    def from_minigrid(cls, envs: Sequence[gym.Env]) -> "LevelBank":
        """Takes the levels of environments that have just been reset; level i is environment i.

        Raises:
            EnvError: if there are none, or one is no BabyAI environment, has been stepped, or has
                a grid of more than 64 cells a side.
        """
        if isinstance(envs, str | gym.Env):
            raise EnvError(
                f"{envs!r} is no list of environments; type LevelBank.from_minigrid([env])"
            )
        return bank_of([pack(env) for env in envs])

    @classmethod
    def generate(
        cls,
        tasks: Maker | str | Sequence[Maker | str],
        count: int,
        seed: int = 0,
        workers: int = 1,
        start: int = 0,
    ) -> "LevelBank":
        """Makes `count` levels by minigrid's generators: part of an endless sequence of them.

        Level i of the sequence is of task i modulo their number.

        Args:
            tasks: level ids, sentences, or functions that make an environment; a function must be
                one that a process can be given (defined at the top of a module).
            count: how many levels.
            seed: level i depends on the seed, its task and i alone.
            workers: processes; the bank does not depend on them.
            start: the first level's place in the sequence.

        Raises:
            EnvError: for an unknown level or sentence, a function that makes something else, or if
                `count` or `workers` is below 1 or `seed` or `start` below 0.
        """
        return bank_of(generate_levels(tasks, count, seed, workers, start))

    def save(self, path: str | Path) -> None:
        """Writes the bank as safetensors with a checksum; the file appears whole or not at all."""
        tensors = {name: getattr(self, name).cpu() for name in TENSORS}
        facts = {name: getattr(self, name) for name in FACTS}
        storage.save(FILE, Path(path), tensors, facts)

    @classmethod
    def load(cls, path: str | Path) -> "LevelBank":
        """Reads what `save` wrote.

        Raises:
            EnvError: if it is missing, of another format version, or damaged.
        """
        content = storage.load(FILE, Path(path))
        fields: dict[str, Any] = content.tensors | content.facts
        return cls(**fields)

    def __len__(self) -> int:
        """The number of levels."""
        return len(self.cells)

    def to(self, device: str | torch.device) -> "LevelBank":
        """The bank on a device."""
        moved = {name: getattr(self, name).to(device) for name in TENSORS}
        return replace(self, **moved)

    def only_solvable(self) -> "LevelBank":
        """The bank without the levels known to have no solution."""
        return self.part(self.solvable)

    def part(self, which: slice | Tensor) -> "LevelBank":
        """The bank with some of its levels: a slice, indices, or bool (L,)."""
        return replace(
            self,
            cells=self.cells[which],
            record=self.record[:, which],
            contents=self.contents[which],
            solvable=self.solvable[which],
        )

    @property
    def sentence_of_level(self) -> Tensor:
        """int64 (L,): index into `sentences`."""
        return self.record[Row.SENTENCE].long()

    @property
    def missions(self) -> list[str]:
        """Each level's sentence."""
        return [self.sentences[index] for index in self.sentence_of_level.tolist()]

    @property
    def bytes_per_level(self) -> float:
        """Bytes of the bank's tensors for each level."""
        return sum(getattr(self, name).nbytes for name in TENSORS) / len(self)

    @property
    def rules(self) -> Rules:
        """What the verifier must compute for these levels."""
        used = (self.record != 0).any(dim=1).tolist()
        simple = bool((self.record[Row.FIRST] == 1).all()) and not used[Row.SECOND]
        strict = used[Row.STRICT_OPEN] or used[Row.STRICT_HAND]
        return Rules(
            frozenset(row for row in VERBS if used[row]), strict, simple, self.done_actions
        )

    @property
    def has_doors(self) -> bool:
        """Whether any level has a door."""
        return bool((self.cells & KIND == DOOR).any() or (self.contents & KIND == DOOR).any())

    @property
    def starts_holding(self) -> bool:
        """Whether the agent has something in hand from the first step of any level on."""
        return bool((self.record[Row.HELD_FROM] < self.width * self.height).any())


TENSORS = {
    "cells": torch.int32,
    "record": torch.int32,
    "contents": torch.int32,
    "solvable": torch.bool,
}
FACTS: dict[str, Callable] = {
    "sentences": list,
    "width": int,
    "height": int,
    "done_actions": bool,
}
FILE = storage.Kind(
    format="film-rl level bank",
    version="2",
    what="a bank of levels",
    writer="LevelBank.save",
    again="make the bank again",
    dtypes=TENSORS,
    facts=FACTS,
)


def bank_of(levels: list[Level]) -> LevelBank:
    """The bank of packed levels, in their order."""
    if not levels:
        raise EnvError(
            "no levels; expected 1 or more environments: type LevelBank.from_minigrid([env]) after "
            "env.reset(seed=...)"
        )
    width = max(level.cells.shape[1] for level in levels)
    height = max(level.cells.shape[0] for level in levels)
    sentences = sorted({level.mission for level in levels})
    places = {sentence: index for index, sentence in enumerate(sentences)}
    outside = width * height
    cells = np.full((len(levels), outside + 1), WALL, np.int32)
    grids = cells[:, :outside].reshape(len(levels), height, width)
    assert grids.base is not None  # a view, so that what is written below is in `cells`
    record = np.zeros((len(Row), len(levels)), np.int32)
    held = max(len(level.contents) for level in levels)
    contents = np.full((len(levels), 1 + held), EMPTY, np.int32)
    for index, level in enumerate(levels):
        rows, columns = level.cells.shape
        grids[index, :rows, :columns] = level.cells
        contents[index, 1 : 1 + len(level.contents)] = level.contents
        x, y, direction = level.agent
        numbers = dict(level.masks)
        numbers[Row.MAX_STEPS] = level.max_steps
        numbers[Row.SENTENCE] = places[level.mission]
        numbers[Row.POSE] = 4 * (x + width * y) + direction
        numbers[Row.HAND] = EMPTY
        from_ = level.held_from
        numbers[Row.HELD_FROM] = outside if from_ is None else from_[0] + width * from_[1]
        record[:, index] = [numbers[row] for row in Row]
    return LevelBank(
        cells=torch.from_numpy(cells),
        record=torch.from_numpy(record),
        contents=torch.from_numpy(contents),
        solvable=torch.tensor([level.solvable for level in levels]),
        sentences=sentences,
        width=width,
        height=height,
        done_actions=bool(verifier.use_done_actions),
    )
