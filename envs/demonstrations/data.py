"""Demonstrations in memory, as tensors to learn from.

E episodes, F frames of all of them one after another, A last actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from envs.demonstrations.folder import Folder
from envs.demonstrations.shard import IMAGE, Shard, Summary, read_shard
from envs.demonstrations.source import Source
from envs.errors import EnvError


@dataclass(frozen=True)
class Demonstrations:
    """Episodes that succeeded.

    Attributes:
        image: uint8 (F, 7, 7, 3), what was seen before each action.
        action: uint8 (F,).
        first: int64 (E + 1,); episode e has the frames first[e] to first[e + 1] - 1.
        sentence: int64 (E,), index into `missions`.
        missions: the distinct sentences, sorted.
        seed: int64 (E,); `env.reset(seed=...)` is the episode's level.
        sources: what they are of, one a folder.
    """

    image: Tensor
    action: Tensor
    first: Tensor
    sentence: Tensor
    missions: list[str]
    seed: Tensor
    sources: tuple[Source, ...]

    @classmethod
    def load(
        cls, folders: str | Path | Sequence[str | Path], first: int | None = None
    ) -> "Demonstrations":
        """Reads a folder that `make_demonstrations` made, or several, one after another.

        Args:
            folders: one or more.
            first: how many demonstrations of each, its first ones; all if not given.

        Raises:
            EnvError: it is no such folder, unfinished, damaged, has fewer demonstrations, or they
                were made with another version or observation.
        """
        if isinstance(folders, str | Path):
            return _read(Folder.open(folders), first)
        if not folders:
            raise EnvError("no folder of demonstrations was given")
        return cls.joined([_read(Folder.open(folder), first) for folder in folders])

    @classmethod
    def joined(cls, parts: Sequence["Demonstrations"]) -> "Demonstrations":
        """Several in their order."""
        missions = sorted({mission for part in parts for mission in part.missions})
        lengths = torch.cat([part.length for part in parts])
        return cls(
            image=torch.cat([part.image for part in parts]),
            action=torch.cat([part.action for part in parts]),
            first=_offsets(lengths),
            sentence=_renumbered([(part.missions, part.sentence) for part in parts], missions),
            missions=missions,
            seed=torch.cat([part.seed for part in parts]),
            sources=tuple(source for part in parts for source in part.sources),
        )

    def __len__(self) -> int:
        """The number of episodes."""
        return len(self.sentence)

    @property
    def length(self) -> Tensor:
        """int64 (E,): steps of each episode."""
        return self.first.diff()

    def part(self, episodes: slice) -> "Demonstrations":
        """Some of the episodes, in a row; nothing is copied."""
        start, stop, step = episodes.indices(len(self))
        if step != 1:
            raise EnvError(f"a part of demonstrations is a row of them; expected no step of {step}")
        first = self.first[start : max(start, stop) + 1]
        frames = slice(int(first[0]), int(first[-1]))
        return replace(
            self,
            image=self.image[frames],
            action=self.action[frames],
            first=first - first[0],
            sentence=self.sentence[episodes],
            seed=self.seed[episodes],
        )


def last_actions(taken: Tensor, frame: Tensor, age: Tensor, count: int) -> Tensor:
    """The actions taken before some frames in their episodes, uint8 (..., A), as agents see them.

    Args:
        taken: uint8 (F,), the action of every frame.
        frame: int64 (...,), which frames are meant.
        age: int64 (...,), how many frames of its episode come before each.
        count: A; the newest comes first, 1 + action, 0 before the episode's first.
    """
    back = torch.arange(1, count + 1, device=taken.device)
    before = taken[(frame[..., None] - back).clamp_(min=0)] + 1
    return before * (age[..., None] >= back)


def _read(folder: Folder, first: int | None) -> Demonstrations:
    there = folder.demonstrations
    if not there:
        raise EnvError(f"{folder.path} is not finished; type the command that makes it again")
    count = there if first is None else first
    if not 1 <= count <= there:
        raise EnvError(
            f"{count} demonstrations of {folder.path} were asked for, which has {there:,}; make "
            "more of them with experiments/babyai_demos.py --demonstrations, or ask for fewer"
        )
    needed = _first_shards(folder, count)
    image = torch.empty(sum(summary.frames for summary in needed), *IMAGE, dtype=torch.uint8)
    shards: list[Shard] = []
    end = 0
    for summary in needed:
        shard = read_shard(folder.path, folder.source, summary.number)
        if shard.summary != summary:
            raise EnvError(
                f"shard {summary.number} of {folder.path} is not the one that its manifest tells "
                "of; remove both files and type the command that made them"
            )
        # Into its place at once: of millions of views there are never two copies.
        start, end = end, end + summary.frames
        image[start:end] = shard.image
        shards.append(shard._replace(image=image[start:end]))
    return _of_shards(shards, image, folder.source).part(slice(count))


def _first_shards(folder: Folder, count: int) -> list[Summary]:
    """Those of the first `count` demonstrations."""
    before = accumulate((shard.demonstrations for shard in folder.shards), initial=0)
    return [shard for shard, have in zip(folder.shards, before, strict=False) if have < count]


def _of_shards(shards: Sequence[Shard], image: Tensor, source: Source) -> Demonstrations:
    missions = sorted({mission for shard in shards for mission in shard.missions})
    return Demonstrations(
        image=image,
        action=torch.cat([shard.action for shard in shards]),
        first=_offsets(torch.cat([shard.length for shard in shards])),
        sentence=_renumbered([(shard.missions, shard.sentence) for shard in shards], missions),
        missions=missions,
        seed=torch.cat([shard.seed for shard in shards]),
        sources=(source,),
    )


def _offsets(lengths: Tensor) -> Tensor:
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0))


def _renumbered(parts: Sequence[tuple[list[str], Tensor]], missions: list[str]) -> Tensor:
    """Indices into each part's list of sentences as indices into the list of all."""
    places = {mission: place for place, mission in enumerate(missions)}
    return torch.cat(
        [torch.tensor([places[m] for m in theirs])[sentence] for theirs, sentence in parts]
    )
