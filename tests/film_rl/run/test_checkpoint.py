import errno
import os
import pickle
import random
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from film_rl.run import Checkpointer, UserError
from film_rl.run import checkpoint as checkpoint_module
from film_rl.run import files as files_module

STATE = {"weights": torch.arange(300.0), "step": 7, "names": ("a", "b"), "adam": {0: torch.ones(5)}}


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "checkpoints"


def saved(folder: Path, *steps: int) -> Checkpointer:
    checkpointer = Checkpointer(folder)
    for step in steps:
        checkpointer.save(step, {**STATE, "step": step})
    return checkpointer


def test_a_state_comes_back_as_it_was(folder):
    checkpoint = saved(folder, 7).load()
    assert checkpoint.step == 7
    assert checkpoint.state["names"] == ("a", "b")
    assert torch.equal(checkpoint.state["weights"], STATE["weights"])
    assert list(checkpoint.state["adam"]) == [0]


def test_saving_what_was_loaded_gives_the_same_bytes(folder, tmp_path):
    first = saved(folder, 7)
    second = Checkpointer(tmp_path / "again")
    path = second.save(7, first.load().state)
    for file in path.iterdir():
        assert file.read_bytes() == (folder / path.name / file.name).read_bytes()


def test_saving_the_newest_step_again_leaves_it_untouched_unless_it_is_damaged(folder):
    checkpointer = saved(folder, 7)
    file = folder / "step_000000000007" / "state.json"
    before = file.stat().st_ino
    checkpointer.save(7, STATE)
    assert file.stat().st_ino == before
    file.write_bytes(b"{}")
    checkpointer.save(7, STATE)
    assert checkpointer.load().step == 7


def test_a_checkpoint_that_the_pointer_passed_by_does_not_crowd_out_good_ones(folder):
    saved(folder, 1, 5)  # 5 is from a future that a crash undid
    (folder / "LAST").write_text("step_000000000001\n")
    saved(folder, 2)
    names = sorted(path.name for path in folder.glob("step_*"))
    assert names == ["step_000000000001", "step_000000000002"]


def test_nothing_saved_is_nothing_loaded(folder):
    assert Checkpointer(folder).load() is None


def test_only_the_newest_are_kept_and_nothing_half_written(folder):
    (folder / ".tmp-step_000000000001").mkdir(parents=True)
    saved(folder, 1, 2, 3)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["LAST", "step_000000000002", "step_000000000003"]


def test_fewer_than_two_cannot_be_kept(folder):
    with pytest.raises(ValueError, match="at least 2"):
        Checkpointer(folder, keep_last=1)


@pytest.mark.parametrize("name", ["manifest.json", "state.json", "tensors.safetensors"])
def test_a_file_cut_short_anywhere_is_detected_and_the_one_before_is_used(folder, name):
    checkpointer = saved(folder, 1, 2)
    file = folder / "step_000000000002" / name
    whole = file.read_bytes()
    for length in sorted({0, 1, len(whole) - 1, *range(0, len(whole), 97)}):
        file.write_bytes(whole[:length])
        with pytest.warns(UserWarning, match=r"step_000000000002 is damaged.*step_000000000001"):
            assert checkpointer.load().step == 1


@pytest.mark.parametrize("name", ["manifest.json", "state.json", "tensors.safetensors"])
def test_a_single_flipped_bit_never_goes_unnoticed(folder, name):
    checkpointer = saved(folder, 1, 2)
    file = folder / "step_000000000002" / name
    whole = file.read_bytes()
    rng = random.Random(0)
    for _ in range(200):
        place = rng.randrange(len(whole))
        flipped = bytes([whole[place] ^ 1 << rng.randrange(8)])
        file.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        with pytest.warns(UserWarning, match=r"step_000000000002 is damaged.*step_000000000001"):
            assert checkpointer.load().step == 1


def test_a_missing_file_is_damage_too(folder):
    checkpointer = saved(folder, 1, 2)
    (folder / "step_000000000002" / "state.json").unlink()
    with pytest.warns(UserWarning, match="step_000000000001"):
        assert checkpointer.load().step == 1


@pytest.mark.parametrize("content", [b"", b"step_000000000009", b"../../etc", b"\xff\xfe"])
def test_a_damaged_pointer_falls_back_to_the_newest_with_a_warning(folder, content):
    checkpointer = saved(folder, 1, 2)
    (folder / "LAST").write_bytes(content)
    with pytest.warns(UserWarning, match=r"LAST names no checkpoint.*step_000000000002"):
        assert checkpointer.load().step == 2


def test_a_checkpoint_written_after_the_pointer_is_not_taken_for_the_last(folder):
    """As after a crash between the rename and the move of LAST."""
    checkpointer = saved(folder, 1, 2)
    (folder / "LAST").write_text("step_000000000001\n")
    assert checkpointer.load().step == 1
    checkpointer.save(2, {**STATE, "step": "again"})
    assert checkpointer.load().state["step"] == "again"


def test_when_all_are_damaged_training_does_not_start_from_zero(folder):
    checkpointer = saved(folder, 1, 2)
    for file in folder.glob("step_*/state.json"):
        file.write_bytes(b"{}")
    with pytest.raises(UserError, match=r"no checkpoint is left.*000002.*000001"):
        checkpointer.load()


def test_a_crash_at_any_write_leaves_a_whole_checkpoint(folder, monkeypatch):
    """Every write to the disk fails in turn; what LAST names must load each time."""
    real = os.fsync
    calls = fail_at = 0

    def failing(descriptor):
        nonlocal calls
        calls += 1
        if calls == fail_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files_module.os, "fsync", failing)
    succeeded = False
    while not succeeded:
        number, fail_at = fail_at + 1, 0
        checkpointer = saved(folder / str(number), 1)
        calls, fail_at = 0, number
        with suppress(UserError):
            checkpointer.save(2, STATE)
            succeeded = True
        assert checkpointer.load().step in (1, 2)
    assert calls == fail_at - 1 > 4  # it succeeded once no write was left to fail
    assert checkpointer.load().step == 2


def test_a_full_disk_is_told_with_the_bytes_needed_and_free(folder, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_module.os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left.*bytes needed, .* free.*--resume"):
        Checkpointer(folder).save(2, STATE)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_a_file_cannot_be_saved_into(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot save"):
        Checkpointer(tmp_path / "file").save(1, STATE)


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("canary"),)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tensors.safetensors", pickle.dumps(Bomb())),
        ("tensors.safetensors", (2**60).to_bytes(8, "little") + b"{}"),
        ("tensors.safetensors", b"PK\x03\x04 a zip"),
        ("state.json", pickle.dumps(Bomb())),
        ("state.json", b'{"!": "tensor", "name": ["x"]}'),
        ("state.json", b'{"!": "python/object:os.system", "args": ["touch canary"]}'),
        ("state.json", b"[" * 100_000),
        ("manifest", {"files": ["state.json", "tensors.safetensors"]}),
        ("manifest", {"step": "1"}),
        ("manifest", {"step": None}),
    ],
)
def test_foreign_content_with_a_valid_manifest_is_refused_and_runs_nothing(
    tmp_path, monkeypatch, name, content
):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "checkpoints"
    checkpointer = saved(folder, 1)
    contents = {
        "state.json": (folder / "step_000000000001" / "state.json").read_bytes(),
        "tensors.safetensors": (folder / "step_000000000001" / "tensors.safetensors").read_bytes(),
        name: content,
    }
    temporary = folder / ".tmp-step_000000000001"
    if name == "manifest":
        del contents[name]
        real = checkpoint_module._signed
        monkeypatch.setattr(checkpoint_module, "_signed", lambda m: real({**m, **content}))
    checkpointer._write(temporary, 1, contents)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    for file in temporary.iterdir():
        file.replace(folder / "step_000000000001" / file.name)
    with pytest.raises(UserError, match="no checkpoint is left"):
        checkpointer.load()
    assert not Path("canary").exists()
