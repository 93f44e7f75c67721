"""Demonstrations played again are what they were, and what is not is found."""

import zlib

import pytest
import torch

from envs.batched import storage
from envs.demonstrations import Folder, Source, make_demonstrations
from envs.demonstrations.replay import check_folder
from envs.demonstrations.shard import FILE, shard_path

SENTENCES = ("open a door", "put the red ball next to the blue key")
SOURCES = [
    Source(SENTENCES, room_size=5, distractors=1, shard=6),
    Source("BabyAI-MiniBossLevel-v0", shard=6),
    Source("BabyAI-PickupLoc-v0", shard=6),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.worlds)
def test_no_demonstration_fails_on_replay(source, tmp_path):
    folder = make_demonstrations(tmp_path, source, 8)
    heard = []
    assert check_folder(folder, progress=heard.append) == []
    assert heard[-1] == sum(shard.demonstrations for shard in folder.shards) >= 8


def changed(path, change):
    """A shard of which something is changed and the checksum is right: replay alone can tell."""
    tensors, facts, _ = storage.load(FILE, path)
    facts["source"] = facts["source"].to_json()
    change(tensors)
    storage.save(FILE, path, tensors, facts)


def another_last_action(tensors):
    tensors["action"][tensors["length"][:2].sum() - 1] = 6


def another_view(tensors):
    images = bytearray(zlib.decompress(tensors["images"].numpy().tobytes()))
    images[147 * int(tensors["length"][0]) + 20] ^= 1
    tensors["images"] = torch.frombuffer(bytearray(zlib.compress(images)), dtype=torch.uint8)


def another_sentence(tensors):
    tensors["sentence"][1] = (tensors["sentence"][1] + 1) % 3


def another_level(tensors):
    tensors["seed"][1] += 1


@pytest.mark.parametrize(
    "change", [another_last_action, another_view, another_sentence, another_level]
)
def test_another_action_view_sentence_or_level_fails_on_replay(change, tmp_path):
    make_demonstrations(tmp_path, SOURCES[2], 6)
    changed(shard_path(tmp_path, 0), change)
    (line,) = check_folder(Folder.open(tmp_path))
    assert line.startswith("shard 0, demonstration 1, seed")


def test_an_episode_that_goes_on_after_its_end_fails_on_replay(tmp_path):
    make_demonstrations(tmp_path, SOURCES[2], 6)

    def joined(tensors):  # the first two episodes are told to be one
        tensors["length"] = torch.cat(
            [tensors["length"][:2].sum()[None].int(), tensors["length"][2:]]
        )
        for name in ("sentence", "seed"):
            tensors[name] = torch.cat([tensors[name][:1], tensors[name][2:]])

    changed(shard_path(tmp_path, 0), joined)
    (line,) = check_folder(Folder.open(tmp_path))
    assert "demonstration 0" in line
