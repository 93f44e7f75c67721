"""Batched worlds as a program: resets, resume, sizes of batches, devices, mistakes."""

import copy
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from envs import EnvError, make_env
from envs.batched import BatchedBabyAI, LevelBank
from envs.batched.bank import FILE
from envs.batched.cells import EMPTY
from envs.batched.draw import draw_levels
from envs.batched.geometry import Geometry
from envs.batched.join import aligned
from envs.batched.view import Eye
from envs.batched.visits import Visits
from tests.kill_and_resume import assert_same

TASKS = [
    "BabyAI-GoToObjS4-v0",
    "BabyAI-PutNextS5N2Carrying-v0",
    "BabyAI-KeyInBox-v0",
    "open a door",
]


@pytest.fixture(scope="module")
def bank():
    return LevelBank.generate(TASKS, 24, seed=3)


def play(worlds, steps, seed=0, rows=slice(None), drawn=None):
    draws = torch.Generator().manual_seed(seed)
    drawn = drawn or worlds.num_envs
    return [
        worlds.step(torch.randint(7, (drawn,), generator=draws)[rows].clone()) for _ in range(steps)
    ]


def assert_alike(ones, others, rows=slice(None)):
    for one, other in zip(ones, others, strict=True):
        for name in one._fields:
            assert torch.equal(getattr(one, name)[rows], getattr(other, name)), name


def test_a_world_does_not_depend_on_the_size_of_the_batch(bank):
    many = play(BatchedBabyAI(bank, 50, seed=1), 60)
    few = play(BatchedBabyAI(bank, 7, seed=1), 60, rows=slice(7), drawn=50)
    assert_alike(many, few, slice(7))


def test_a_restored_state_goes_on_alike(bank):
    worlds = BatchedBabyAI(bank, 20, seed=1)
    play(worlds, 30)
    state = worlds.state()
    expected = play(worlds, 40, seed=2)
    restored = BatchedBabyAI(bank, 20, seed=1)
    restored.set_state(state)
    assert_alike(expected, play(restored, 40, seed=2))
    with pytest.raises(EnvError, match="as many worlds"):
        BatchedBabyAI(bank, 19).set_state(state)


def test_an_ended_world_shows_its_end_and_its_next_beginning(bank):
    worlds = BatchedBabyAI(bank, 30, seed=4)
    ended = 0
    for step in play(worlds, 80):
        over = step.terminated | step.truncated
        ended += int(over.sum())
        assert torch.equal(step.image[~over], step.final_image[~over])
        assert (step.length >= 1).all()
    assert ended > 10
    seen = worlds.observe()
    assert torch.equal(seen.image, step.image)
    assert torch.equal(seen.direction, step.direction)
    assert torch.equal(seen.sentence, step.sentence)


def test_starting_over_is_the_same_without_looking_at_what_ended(bank):
    """The path of accelerators, which may not ask which worlds ended, run on the CPU."""
    one, other = BatchedBabyAI(bank, 30, seed=4), BatchedBabyAI(bank, 30, seed=4)
    other._start_over = other._start_all
    assert_alike(play(one, 80), play(other, 80))


def without_values(value):
    """A copy whose tensors have shapes and no numbers."""
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    if isinstance(value, Geometry):
        return value.to("meta")
    if isinstance(value, LevelBank | Eye | Visits):
        empty = copy.copy(value)
        for name, part in vars(value).items():
            object.__setattr__(empty, name, without_values(part))
        return empty
    return torch.device("meta") if isinstance(value, torch.device) else value


def test_a_step_on_an_accelerator_reads_no_number_back(bank):
    """On tensors without numbers, to read one, or to make a shape of one, is an error."""
    worlds = BatchedBabyAI(bank, 8)
    for name, value in list(vars(worlds).items()):
        setattr(worlds, name, without_values(value))
    step = worlds.step(torch.zeros(8, dtype=torch.int64, device="meta"))
    assert step.image.shape == (8, 7, 7, 3)
    assert all(part.device.type == "meta" for part in step)
    with pytest.raises(RuntimeError, match="cannot be called on meta tensors"):
        bool(step.terminated.any())
    with pytest.raises(RuntimeError, match=r"torch\.nonzero\(\) raises"):
        step.terminated.nonzero()


def test_levels_are_drawn_evenly():
    worlds = torch.arange(1000)
    drawn = torch.cat([draw_levels(0, worlds, torch.full_like(worlds, e), 10) for e in range(20)])
    counts = torch.bincount(drawn, minlength=10)
    assert ((counts - 2000).abs() < 200).all()  # more than 4 standard deviations
    assert not torch.equal(drawn[:1000], draw_levels(1, worlds, torch.zeros_like(worlds), 10))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), r"\(3,\)"),
        (torch.zeros(4), "float32"),
        (torch.zeros(4, dtype=torch.int64, device="meta"), "on meta"),
        (torch.tensor([0, 1, 7, 0]), "from 0 to 7"),
        (torch.tensor([0, -1, 6, 0]), "from -1 to 6"),
        (torch.zeros(4, dtype=torch.int32), "int32"),
        (torch.tensor(0), r"\(\)"),
        ([0, 0, 0, 0], "list"),
        (np.zeros(4, np.int64), "ndarray"),
    ],
)
def test_wrong_actions_change_nothing(bank, actions, message):
    worlds = BatchedBabyAI(bank, 4)
    before = worlds.state()
    with pytest.raises(EnvError, match=f"{message}.*type torch"):
        worlds.step(actions)
    assert_same(worlds.state(), before)


def test_worlds_need_levels(bank):
    for number in (0, -3):
        with pytest.raises(EnvError, match=f"{number} worlds.*type num_envs"):
            BatchedBabyAI(bank, number)
    with pytest.raises(EnvError, match="24"):
        BatchedBabyAI(bank, 25, autoreset=False)
    with pytest.raises(EnvError, match="no levels"):
        LevelBank.from_minigrid([])
    with pytest.raises(EnvError, match="GoToLokal"):
        LevelBank.generate("BabyAI-GoToLokal-v0", 1)
    for wrong in ({"count": 0}, {"count": -1}, {"count": 1, "workers": 0}):
        with pytest.raises(EnvError, match=r"1 or more.*type count"):
            LevelBank.generate("BabyAI-GoToLocal-v0", **wrong)
    with pytest.raises(EnvError, match="seed is -1"):
        LevelBank.generate("BabyAI-GoToLocal-v0", 1, seed=-1)
    with pytest.raises(EnvError, match="no task"):
        LevelBank.generate([], 1)
    nothing = replace(bank, solvable=torch.zeros(24, dtype=torch.bool)).only_solvable()
    with pytest.raises(EnvError, match="only_solvable"):
        BatchedBabyAI(nothing, 1)


def large_room():
    return gymnasium.make("BabyAI-OneRoomS20-v0", room_size=65)


def without_babyai():
    return gymnasium.make("MiniGrid-Empty-5x5-v0")


@pytest.mark.parametrize(("maker", "message"), [(large_room, "65 x 65"), (without_babyai, "Empty")])
def test_a_maker_of_what_no_bank_holds_is_refused_before_a_level_is_made(maker, message):
    """A million levels are asked for: nobody would wait for them to hear of a mistake."""
    with pytest.raises(EnvError, match=f"{message}.*type "):
        LevelBank.generate(maker, 1_000_000, workers=2)


def test_only_a_fresh_babyai_level_can_be_taken():
    env = make_env("go to the red ball")
    with pytest.raises(EnvError, match="not been reset"):
        LevelBank.from_minigrid([env])
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(EnvError, match="1 steps"):
        LevelBank.from_minigrid([env])
    bare = gymnasium.make("BabyAI-GoToLocal-v0")
    with pytest.raises(EnvError, match="not been reset"):
        LevelBank.from_minigrid([bare])
    other = gymnasium.make("MiniGrid-Empty-5x5-v0")
    other.reset(seed=0)
    large = large_room()
    large.reset(seed=0)
    wide = gymnasium.make("BabyAI-GoToLocal-v0", agent_view_size=9)
    wide.reset(seed=0)
    for wrong, message in (
        (other, "EmptyEnv is not a BabyAI"),
        ("BabyAI-GoToLocal-v0", "'BabyAI-GoToLocal-v0' is not a BabyAI environment; type"),
        (large, "65 x 65"),
        (wide, "view of 9"),
    ):
        with pytest.raises(EnvError, match=message):
            LevelBank.from_minigrid([wrong])
    for wrong in (bare, "BabyAI-GoToLocal-v0"):
        with pytest.raises(EnvError, match="no list of environments"):
            LevelBank.from_minigrid(wrong)


def same_banks(one, other):
    return one.sentences == other.sentences and all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("cells", "record", "contents", "solvable")
    )


def test_a_bank_does_not_depend_on_the_workers():
    alone = LevelBank.generate("BabyAI-GoToObjS4-v0", 300, seed=5, workers=1)
    assert same_banks(alone, LevelBank.generate("BabyAI-GoToObjS4-v0", 300, seed=5, workers=2))
    assert not same_banks(alone, LevelBank.generate("BabyAI-GoToObjS4-v0", 300, seed=6))


def test_levels_further_on_are_those_of_a_longer_bank():
    tasks = ["BabyAI-GoToLocal-v0", "BabyAI-PickupLoc-v0"]
    longer = LevelBank.generate(tasks, 300, seed=3)
    later = LevelBank.generate(tasks, 275, seed=3, start=25)
    assert same_banks(*aligned([longer.part(slice(25, None)), later]))
    with pytest.raises(EnvError, match="start -1; type 0"):
        LevelBank.generate(TASKS, 7, start=-1)


def test_a_bank_is_read_as_it_was_written(bank, tmp_path):
    bank.save(tmp_path / "bank.safetensors")
    read = LevelBank.load(tmp_path / "bank.safetensors")
    assert same_banks(bank, read)
    assert read.missions == bank.missions
    assert list(tmp_path.iterdir()) == [tmp_path / "bank.safetensors"]


def test_a_damaged_or_foreign_file_is_refused(bank, tmp_path):
    path = tmp_path / "bank.safetensors"
    with pytest.raises(EnvError, match="no such file"):
        LevelBank.load(path)
    bank.save(path)
    whole = path.read_bytes()
    data = 8 + int.from_bytes(whole[:8], "little")  # safetensors: the header's length, the header
    checksum = whole.index(b"sha256") + 20
    for at in (*range(0, data, 3), checksum, *range(data, len(whole), 997), len(whole) - 1):
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            with pytest.raises(EnvError, match=f"{path}.* (make the bank again|LevelBank.save)"):
                LevelBank.load(path)
    for length in (0, 4, 8, data // 2, data, data + 1, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(EnvError, match="make the bank again"):
            LevelBank.load(path)
    path.write_bytes(whole.replace(f'"version":"{FILE.version}"'.encode(), b'"version":"0"'))
    with pytest.raises(EnvError, match="version 0"):
        LevelBank.load(path)


def test_levels_without_a_solution_are_flagged():
    levels = [make_env("BabyAI-GoToImpUnlock-v0") for _ in range(2)]
    for env, seed in zip(levels, (6, 7), strict=True):
        env.reset(seed=seed)
    bank = LevelBank.from_minigrid(levels)
    assert bank.solvable.tolist() == [False, True]
    assert len(bank.only_solvable()) == 1


def test_65536_worlds_of_the_largest_level_fit_in_a_gigabyte():
    bank = LevelBank.generate("BabyAI-BossLevel-v0", 4)
    assert 65_536 * (BatchedBabyAI(bank, 4).bytes_per_world + bank.bytes_per_level) < 1e9
    assert int(bank.contents[0, 0]) == EMPTY
