"""A shard: the demonstrations of so many levels in a row, in one file with a checksum.

E episodes, F frames. Images are nearly all alike, and deflated take a tenth of the space.
"""

import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from envs.batched import storage
from envs.batched.geometry import VIEW
from envs.bot import Why
from envs.demonstrations.source import Episode, Source, demonstrate
from envs.errors import EnvError

IMAGE = (VIEW, VIEW, 3)
AGAIN = "remove the file: the command that made it makes it again"
FILE = storage.Kind(
    format="film-rl demonstrations",
    version="1",
    what="a shard of demonstrations",
    writer="experiments/babyai_demos.py",
    again=AGAIN,
    dtypes={
        "images": torch.uint8,
        "action": torch.uint8,
        "length": torch.int32,
        "sentence": torch.int32,
        "seed": torch.int64,
    },
    facts={"source": Source.from_json, "number": int, "missions": list, "skipped": dict},
)


class Summary(NamedTuple):
    """What the manifest says of a shard.

    Attributes:
        number: its place among the shards.
        demonstrations, frames: how many it holds.
        skipped: of its levels, how many became none, by the reason.
        sha256: of its content.
    """

    number: int
    demonstrations: int
    frames: int
    skipped: dict[str, int]
    sha256: str


class Shard(NamedTuple):
    """A shard's content.

    Attributes:
        image: uint8 (F, 7, 7, 3).
        action: uint8 (F,).
        length, sentence: int64 (E,); `sentence` is an index into `missions`.
        seed: int64 (E,).
        missions: the distinct sentences, sorted.
        summary: what the manifest says of it.
    """

    image: Tensor
    action: Tensor
    length: Tensor
    sentence: Tensor
    seed: Tensor
    missions: list[str]
    summary: Summary


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / "shards" / f"{number:06d}.safetensors"


def make_shard(folder: Path, source: Source, number: int) -> Summary:
    """Writes a shard, a function of the source and its number alone.

    Raises:
        EnvError: the bot failed in all its levels.
    """
    world = source.make_env()
    episodes: list[Episode] = []
    skipped: dict[str, list[int]] = defaultdict(list)
    for index in range(number * source.shard, (number + 1) * source.shard):
        result = demonstrate(world, source, index)
        if isinstance(result, Why):
            skipped[result].append(index)
        else:
            episodes.append(result)
    if not episodes:
        reasons = ", ".join(f"{why}: {len(levels)}" for why, levels in skipped.items())
        raise EnvError(
            f"minigrid's bot fails in all of {source.shard} levels of {source.worlds} ({reasons}); "
            "it cannot play KeyInBox and PutNext...Carrying: type another level"
        )
    missions = sorted({episode.mission for episode in episodes})
    places = {mission: place for place, mission in enumerate(missions)}
    image = np.concatenate([episode.image for episode in episodes])
    tensors = {
        "images": torch.frombuffer(bytearray(zlib.compress(image.tobytes(), 1)), dtype=torch.uint8),
        "action": torch.from_numpy(np.concatenate([episode.action for episode in episodes])),
        "length": torch.tensor([len(episode.action) for episode in episodes], dtype=torch.int32),
        "sentence": torch.tensor([places[e.mission] for e in episodes], dtype=torch.int32),
        "seed": torch.tensor([episode.seed for episode in episodes]),
    }
    facts = {"source": source.to_json(), "number": number, "missions": missions}
    facts["skipped"] = skipped
    sha256 = storage.save(FILE, shard_path(folder, number), tensors, facts)
    return _summary(number, tensors, skipped, sha256)


def read_shard(folder: Path, source: Source, number: int) -> Shard:
    """Reads a shard.

    Raises:
        EnvError: it is missing, damaged, or another source's.
    """
    path = shard_path(folder, number)
    tensors, facts, sha256 = storage.load(FILE, path)
    if (facts["source"], facts["number"]) != (source, number):
        raise EnvError(f"{path} is shard {facts['number']} of {facts['source']}; {AGAIN}")
    frames = len(tensors["action"])
    image = bytearray(zlib.decompress(tensors["images"].numpy().tobytes()))
    return Shard(
        image=torch.frombuffer(image, dtype=torch.uint8).view(frames, *IMAGE),
        action=tensors["action"],
        length=tensors["length"].long(),
        sentence=tensors["sentence"].long(),
        seed=tensors["seed"],
        missions=facts["missions"],
        summary=_summary(number, tensors, facts["skipped"], sha256),
    )


def _summary(
    number: int, tensors: dict[str, Tensor], skipped: dict[str, Any], sha256: str
) -> Summary:
    counts = {why: len(levels) for why, levels in sorted(skipped.items())}
    return Summary(number, len(tensors["length"]), len(tensors["action"]), counts, sha256)
