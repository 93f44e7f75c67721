"""New levels while training goes on: which they are, when they come, how their maker ends."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import torch

from agents.config import AgentConfig
from agents.learner import check_numbers, make_learner
from agents.levels import level_bank, level_part
from agents.supply import LevelSupply
from agents.task import Task
from agents.training import train
from envs.batched import LevelBank
from envs.batched.join import aligned
from film_rl.run import RunFolder, StopRequest, UserError
from film_rl.run.metrics import read_metrics
from tests.agents.conftest import whole
from tests.agents.test_training import final_state
from tests.kill_and_resume import assert_same, kill

ROOT = Path(__file__).parents[2]
PARTS = 9  # that join the bank before the last of ten updates


@pytest.fixture(scope="module")
def fresh(tiny_tensor) -> AgentConfig:
    """A quarter of the 32 levels is new before each update but the first."""
    return dataclasses.replace(tiny_tensor, refresh=64)


@pytest.fixture(scope="module")
def trained_fresh(fresh, tmp_path_factory) -> tuple[RunFolder, object]:
    return whole(fresh, tmp_path_factory)


def same_levels(one: LevelBank, other: LevelBank) -> bool:
    one, other = aligned([one, other])
    return torch.equal(one.cells, other.cells) and torch.equal(one.record, other.record)


def test_the_bank_moves_along_an_endless_sequence_of_levels(fresh, trained_fresh, tmp_path):
    whole_run, learner = trained_fresh
    run = RunFolder(shutil.copytree(whole_run.path, tmp_path / "copy"))
    last = LevelBank.generate(Task.of_config(fresh).make, 32, seed=0, start=PARTS * 8)
    assert same_levels(learner.env.worlds.bank, last)
    for parts, start in ((0, 0), (1, 8), (4, 32), (6, 48)):
        expected = LevelBank.generate(Task.of_config(fresh).make, 32, seed=0, start=start)
        assert same_levels(level_bank(fresh, None, parts), expected)
        assert same_levels(level_bank(fresh, run, parts), expected)  # made again where removed


def test_old_levels_do_not_pile_up(trained_fresh):
    files = sorted(path.name for path in (trained_fresh[0].path / "levels").iterdir())
    assert files == [f"{number:06d}.safetensors" for number in (0, *range(2, PARTS + 1))]


def test_levels_without_a_solution_are_left_out(tiny_tensor):
    """Level 0 of this seed has none."""
    config = dataclasses.replace(
        tiny_tensor, instr=(), level="BabyAI-GoToImpUnlock-v0", room_size=None, distractors=None
    )
    config = dataclasses.replace(config, levels=5, seed=1)
    made = LevelBank.generate(config.level, 6, seed=1)
    assert made.solvable.tolist() == [False, True, True, True, True, True]
    assert level_bank(config, None).missions == made.missions[1:5]
    assert level_bank(config, None, 1).missions == made.missions[2:]
    with pytest.raises(UserError, match=r"none of the 1 levels.*--levels"):
        level_bank(dataclasses.replace(config, levels=1), None)


def test_what_is_logged_is_what_was_counted(trained_fresh, trained_tensor):
    shares = []
    for run, learner in (trained_fresh, trained_tensor):
        begun = learner.env.worlds.begun()
        record = read_metrics(run.path)[-1]
        assert record["rollout/fresh_levels"] == begun.fresh / begun.episodes
        assert begun.episodes == record["rollout/episodes"] + learner.n_envs
        shares.append(begun.fresh / begun.episodes)
    assert 1 >= shares[0] > shares[1]
    waiting = [record["time/waiting_for_levels"] for record in read_metrics(trained_fresh[0].path)]
    assert all(0 <= share <= 1 for share in waiting)
    assert waiting[1] > 0  # its first part is ordered when training begins


def test_when_levels_were_made_makes_no_difference(fresh, trained_fresh, tmp_path):
    """Here all of them lie there from the start, so that nothing is ever waited for."""
    run = RunFolder.create(tmp_path / "run", fresh)
    for number in range(PARTS + 1):
        level_part(fresh, number, run.folder("levels"))
    with run:
        train(fresh, run)
    assert_same(final_state(run), final_state(trained_fresh[0]))


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("envs.batched.facades:InstructedWorlds.let_in", 7),
        ("torch.optim:Adam.step", 9),  # in the fifth update
        ("film_rl.run.checkpoint:write_atomically", 2),  # after the rename, before LAST moves
    ],
)
def test_a_killed_run_with_new_levels_ends_like_one_never_killed(
    target, number, fresh, trained_fresh, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", fresh)
    kill(train, run, fresh, target, number)
    if target.endswith("let_in"):
        shutil.rmtree(run.path / "levels")
    with run:
        train(fresh, run)
    assert_same(final_state(run), final_state(trained_fresh[0]))


@pytest.fixture
def supply(fresh, tmp_path):
    with closing(LevelSupply(fresh, RunFolder.create(tmp_path / "run", fresh))) as supply:
        yield supply


def test_a_maker_that_dies_is_told(supply, fresh):
    worlds = make_learner(fresh).env.worlds
    os.kill(supply._process.pid, signal.SIGKILL)
    with pytest.raises(UserError, match="ended with exit code -9"):
        supply.refresh(worlds, 64, StopRequest())


def test_a_signal_ends_the_waiting(supply, fresh):
    worlds, stop = make_learner(fresh).env.worlds, StopRequest()
    stop.signum = signal.SIGTERM
    supply.refresh(worlds, 64, stop)
    assert supply.parts == 0
    supply.refresh(worlds, 63, StopRequest())  # not due yet
    assert supply.parts == 0
    supply.refresh(worlds, 64, StopRequest())
    assert supply.parts == 1


def test_what_goes_wrong_in_the_background_reaches_the_user(fresh, tmp_path):
    run = RunFolder.create(tmp_path / "run", fresh)
    (run.folder("levels") / "000001.safetensors").write_text("not a bank")
    with run, pytest.raises(UserError, match=r"000001.safetensors is not a bank.*remove the file"):
        train(fresh, run)


def test_the_maker_dies_with_a_run_that_is_killed(fresh, tmp_path):
    """It has the run's output: that ends when the last of both processes does."""
    run = RunFolder.create(tmp_path / "run", dataclasses.replace(fresh, levels=2**20))
    program = (
        "import os, signal, sys, time\n"
        "from agents.config import AgentConfig\n"
        "from agents.supply import LevelSupply\n"
        "from film_rl.run import RunFolder\n"
        "if __name__ == '__main__':\n"
        "    run = RunFolder(sys.argv[1])\n"
        "    supply = LevelSupply(run.config(AgentConfig), run)\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    for wait in ("0", "3"):  # while it begins, and while it makes levels
        words = [sys.executable, str(script), str(run.path), wait]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        killed = subprocess.run(
            words, capture_output=True, text=True, timeout=60, check=False, env=environment
        )
        assert killed.returncode == -signal.SIGKILL
        assert not re.search("Traceback", killed.stderr)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"refresh": 63}, "type --refresh 64 or more"),
        ({"refresh": -1}, "--refresh -1: expected 0"),
        ({"engine": "sb3"}, "--engine tensor"),
    ],
)
def test_a_refresh_that_cannot_be_is_refused(change, message, fresh):
    with pytest.raises(UserError, match=message):
        check_numbers(dataclasses.replace(fresh, **change))
