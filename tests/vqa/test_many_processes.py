"""Two processes train like one, stop together, and go on exactly. Started as a user does."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from film_rl.run import Checkpointer, RunFolder, UserError
from film_rl.run.accelerated import join_team
from tests.kill_and_resume import ROOT, assert_same, records
from tests.vqa.test_training import final_state
from tests.vqa.toy import TOY, train_toy

SHORT = replace(TOY, steps=40, checkpoint_every=10)


def together(run: RunFolder, *event: object) -> subprocess.CompletedProcess:
    """Train in two processes; what then befalls the second: at which step, and what."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    worker = ["--nproc-per-node", "2", "-m", "tests.vqa.together", str(run.path), *map(str, event)]
    return subprocess.run(
        [*launcher, *worker], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> RunFolder:
    """A run of two processes that was never interrupted."""
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "whole", SHORT)
    done = together(run)
    assert done.returncode == 0, done.stderr
    return run


def test_two_processes_train_like_one(tmp_path):
    """Without batch norms, whose statistics a process takes of its own part on CPUs."""
    config = replace(SHORT, norm="none", share=2, steps=10, learning_rate=1e-3, eval_every=5)
    alone, two = (RunFolder.create(tmp_path / name, config) for name in ("alone", "two"))
    with alone:
        train_toy(config, alone)
    done = together(two)
    assert done.returncode == 0, done.stderr
    expected, found = (Checkpointer(run.checkpoints).load().state for run in (alone, two))
    for name, value in expected["learner"]["model"].items():
        torch.testing.assert_close(found["learner"]["model"][name], value, rtol=0, atol=1e-5)
    for one, both in zip(records(alone), records(two), strict=True):
        assert both == pytest.approx(one, abs=1e-5)


def test_the_first_process_alone_writes(whole):
    assert [path.name for path in whole.path.parent.iterdir()] == ["whole"]
    steps = [record["step"] for record in records(whole)]
    assert steps == sorted({*range(10, 41, 10), 20, 40})
    assert len(list((whole.path / "tensorboard").iterdir())) == 1


def test_killed_then_stopped_two_processes_end_bit_for_bit_like_undisturbed_ones(whole, tmp_path):
    run = RunFolder.create(tmp_path / "disturbed", SHORT)
    killed = together(run, 18, signal.SIGKILL.value)
    assert killed.returncode != 0
    assert Checkpointer(run.checkpoints).load().step == 10
    stopped = together(run, 13, signal.SIGTERM.value)
    assert stopped.returncode != 0
    assert "Interrupted: stopped by SIGTERM" in stopped.stderr
    assert Checkpointer(run.checkpoints).load().step == 23
    assert together(run).returncode == 0
    assert_same(final_state(run), final_state(whole))


def test_a_number_that_is_not_finite_in_one_process_stops_all(tmp_path):
    run = RunFolder.create(tmp_path / "nan", SHORT)
    done = together(run, 18, "nan")
    assert done.returncode != 0
    assert "NaN or infinite at step 17" in done.stderr
    assert Checkpointer(run.checkpoints).load().step == 10
    dump = Checkpointer(run.path / "crash").load().state
    assert len(dump["batch"]["answers"]) == TOY.batch_size


@pytest.mark.parametrize(
    ("device", "message"),
    [("cpu:0", "one device, but torchrun started 2 processes"), ("gpu", "unknown")],
)
def test_a_device_that_cannot_be_divided_is_refused(device, message, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=message):
        join_team(device)


def test_without_torchrun_there_is_one_process():
    assert join_team("cpu").part == (0, 1)
