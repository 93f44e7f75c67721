"""The bot's demonstrations: made, killed and gone on with, read, and wrong ones refused."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from envs import EnvError, make_env
from envs.demonstrations import Demonstrations, Source, make_demonstrations
from envs.demonstrations.data import last_actions
from envs.demonstrations.shard import shard_path

SOURCE = Source("BabyAI-GoToObjS4-v0", seed=7, shard=8)
COUNT = 20


def files(folder):
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    make_demonstrations(folder, SOURCE, COUNT)
    return folder


def test_a_demonstration_is_what_minigrid_showed_and_ends_in_success(made):
    demos = Demonstrations.load(made)
    assert len(demos) == COUNT
    assert len(set(demos.seed.tolist())) == COUNT
    env = make_env(SOURCE.task[0])
    for episode in range(COUNT):
        observation, _ = env.reset(seed=int(demos.seed[episode]))
        assert env.unwrapped.mission == demos.missions[demos.sentence[episode]]
        start, stop = demos.first[episode : episode + 2].tolist()
        for frame in range(start, stop):
            np.testing.assert_array_equal(observation["image"], demos.image[frame])
            action = int(demos.action[frame])
            observation, reward, terminated, _, _ = env.step(action)
            assert terminated == (frame == stop - 1)
        assert reward > 0
    assert int(demos.first[-1]) == len(demos.image) == len(demos.action)


def test_the_folder_depends_on_nothing_but_what_was_asked_for(made, tmp_path):
    """Neither on kills nor on asking in two steps; tests of babyai_demos.py have processes."""

    class Killed(BaseException):
        pass

    def kill(done):
        if done == 8:
            raise Killed

    with pytest.raises(Killed):
        make_demonstrations(tmp_path / "killed", SOURCE, COUNT, progress=kill)
    with pytest.raises(EnvError, match="not finished"):
        Demonstrations.load(tmp_path / "killed")
    torn = tmp_path / "killed" / "shards" / ".000001.safetensors.1.tmp"
    torn.write_bytes(b"half of it")
    first = shard_path(tmp_path / "killed", 0)
    written = first.stat().st_mtime_ns
    heard = []
    make_demonstrations(tmp_path / "killed", SOURCE, COUNT, progress=heard.append)
    assert files(tmp_path / "killed") == files(made)
    assert heard == [8, 16, 20]
    assert first.stat().st_mtime_ns == written

    make_demonstrations(tmp_path / "more", SOURCE, 3)
    assert len(Demonstrations.load(tmp_path / "more")) == 3
    make_demonstrations(tmp_path / "more", SOURCE, COUNT)
    assert files(tmp_path / "more") == files(made)
    make_demonstrations(tmp_path / "more", SOURCE, 1)
    assert files(tmp_path / "more") == files(made)


def test_the_levels_the_bot_fails_in_are_counted_and_left_out(tmp_path):
    source = Source("BabyAI-UnlockToUnlock-v0", shard=6)
    folder = make_demonstrations(tmp_path / "d", source, 7)
    assert folder.skipped.keys() == {"endless thought"}
    levels = sum(shard.demonstrations for shard in folder.shards) + sum(folder.skipped.values())
    assert levels == 6 * len(folder.shards)
    assert folder.bytes > 0
    with pytest.raises(EnvError, match=r"fails in all of 3 levels.*at a loss: 3"):
        make_demonstrations(tmp_path / "no", Source("BabyAI-KeyInBox-v0", shard=3), 5)


def test_the_first_demonstrations_and_several_folders(made, tmp_path):
    demos = Demonstrations.load(made)
    few = Demonstrations.load(made, 11)
    assert few.seed.tolist() == demos.seed[:11].tolist()
    other = replace(SOURCE, task="go to the red ball", room_size=5, distractors=1)
    make_demonstrations(tmp_path, other, 8)
    both = Demonstrations.load([made, tmp_path], 8)
    assert both.sources == (SOURCE, other)
    assert len(both) == 16
    parts = Demonstrations.load(made, 8), Demonstrations.load(tmp_path)
    assert torch.equal(both.image, torch.cat([part.image for part in parts]))
    said = [part.missions[place] for part in parts for place in part.sentence]
    assert [both.missions[place] for place in both.sentence] == said
    tail = both.part(slice(5, 12))
    start, stop = int(both.first[5]), int(both.first[12])
    assert torch.equal(tail.image, both.image[start:stop])
    assert tail.length.tolist() == both.length[5:12].tolist()
    assert tail.first[0] == 0
    SOURCE.check_worlds(replace(SOURCE, seed=1))
    with pytest.raises(EnvError, match="are of BabyAI-GoToObjS4-v0; expected go to the red ball"):
        SOURCE.check_worlds(other)


def test_last_actions_are_those_an_agent_is_shown(made):
    demos = Demonstrations.load(made)
    frames = torch.arange(len(demos.action))
    ages = torch.cat([torch.arange(length) for length in demos.length])
    shown = last_actions(demos.action, frames, ages, 3)
    env = make_env(SOURCE.task[0], last_actions=3)
    for episode in range(COUNT):
        observation, _ = env.reset(seed=int(demos.seed[episode]))
        for frame in range(*demos.first[episode : episode + 2].tolist()):
            assert observation["last_actions"].tolist() == shown[frame].tolist()
            observation = env.step(int(demos.action[frame]))[0]


def refused(folder, words, read=Demonstrations.load):
    with pytest.raises(EnvError, match=words):
        read(folder)


def test_what_is_damaged_or_another_s_is_refused(made, tmp_path):
    def make_again(folder):
        make_demonstrations(folder, SOURCE, COUNT + 1)

    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    shard, manifest = shard_path(folder, 1), folder / "manifest.json"
    whole, facts = shard.read_bytes(), json.loads(manifest.read_bytes())
    for bad in (whole[:-1], whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], b""):
        shard.write_bytes(bad)
        refused(folder, f"{shard}.*damaged.*remove the file")
        refused(folder, f"{shard}.*damaged.*remove the file", make_again)
    shard.write_bytes(shard_path(folder, 0).read_bytes())
    refused(folder, "is shard 0 of")
    shard.unlink()
    refused(folder, f"{shard}: no such file")
    shard.write_bytes(whole)
    for name, value in (("minigrid", "3.1.0"), ("observation", "pixels"), ("version", "9")):
        manifest.write_text(json.dumps({**facts, name: value}))
        refused(folder, f"{value}.*make.*again")
        refused(folder, f"{value}.*make.*again", make_again)
    facts["shards"][1]["sha256"] = "0"
    manifest.write_text(json.dumps(facts))
    refused(folder, "shard 1 of .* is not the one")
    for bad in ("", "{", "[]", "{}", json.dumps({**facts, "shards": 3})):
        manifest.write_text(bad)
        refused(folder, "manifest.json is damaged")
    manifest.unlink()
    make_demonstrations(folder, SOURCE, COUNT)
    assert files(folder) == files(made)
    refused(tmp_path, "is no folder of demonstrations")
    refused([], "no folder")


def test_more_than_there_are_and_another_source_are_refused(made):
    for count in (0, COUNT + 1):
        with pytest.raises(EnvError, match=f"{count} demonstrations of .* which has {COUNT}"):
            Demonstrations.load(made, count)
    before = files(made)
    for other in (replace(SOURCE, seed=8), replace(SOURCE, task="BabyAI-GoToObj-v0")):
        with pytest.raises(EnvError, match="type another folder"):
            make_demonstrations(made, other, COUNT)
    assert files(made) == before


def test_a_mistake_leaves_nothing_behind(tmp_path):
    with pytest.raises(EnvError, match="did you mean 'BabyAI-GoToLocal-v0'"):
        make_demonstrations(tmp_path / "d", Source("BabyAI-GoToLocl-v0"), 5)
    with pytest.raises(EnvError, match="0 demonstrations"):
        make_demonstrations(tmp_path / "d", SOURCE, 0)
    with pytest.raises(EnvError, match="seed is -1"):
        Source("BabyAI-GoToLocal-v0", seed=-1)
    assert not list(tmp_path.iterdir())
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(EnvError, match=r"no demonstrations but thesis.tex"):
        make_demonstrations(tmp_path, SOURCE, 5)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_full_disk_is_told_and_what_was_written_stays_whole(made, tmp_path):
    """/dev/full answers every write with the error of a full disk."""
    make_demonstrations(tmp_path, SOURCE, 8)
    before = files(tmp_path)

    def fill(done):
        if done == 8:
            torn = tmp_path / "shards" / f".000001.safetensors.{os.getpid()}.tmp"
            torn.symlink_to("/dev/full")

    with pytest.raises(OSError, match=r"No space left on device: '.*/000001.safetensors'"):
        make_demonstrations(tmp_path, SOURCE, COUNT, progress=fill)
    assert files(tmp_path) == before
    assert len(Demonstrations.load(tmp_path)) == 8
    make_demonstrations(tmp_path, SOURCE, COUNT)
    assert files(tmp_path) == files(made)
