"""The scripts as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments.helpers import EXPERIMENTS, called, refused, script

SMALL = (
    "--instr", "go to the red ball", "--room-size", "5", "--distractors", "1", "--steps", "512",
    "--envs", "4", "--rollout", "16", "--batch-size", "32", "--channels", "8",
    "--sentence-dim", "8", "--checkpoint-every", "128", "--eval-episodes", "8", "--levels", "32",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which one small run was trained to its end; it is called runs/small."""
    folder = tmp_path_factory.mktemp("work")
    result = script("babyai_ppo", *SMALL, "--run", "runs/small", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "of 8 fresh episodes" in result.stdout
    assert result.stderr == ""
    return folder


def test_a_run_ends_with_figures_pictures_and_a_video(finished):
    run = finished / "runs" / "small"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["timesteps"] == 512
    assert summary["episodes"] == 8
    assert 0 < summary["fresh_levels"] < 1 <= summary["training_episodes"]
    for file in summary["files"].values():
        assert (run / file).stat().st_size > 0
    assert json.loads((run / "config.json").read_text())["room_size"] == 5


def test_a_finished_run_is_evaluated_and_filmed_again(finished):
    result = script("babyai_evaluate", "--run", "runs/small", "--episodes", "6", cwd=finished)
    assert result.returncode == 0, result.stderr
    assert "language control: no episode" in result.stdout
    evaluation = json.loads((finished / "runs/small/evaluation.json").read_text())
    assert evaluation["sampled"]["overall"]["episodes"] == 6
    on_tensors = ("--episodes", "6", "--engine", "tensor")
    result = script("babyai_evaluate", "--run", "runs/small", *on_tensors, cwd=finished)
    assert result.returncode == 0, result.stderr
    assert json.loads((finished / "runs/small/evaluation.json").read_text()) == evaluation
    result = script(
        "babyai_video", "--run", "runs/small", "--level", "BabyAI-GoToObjS4-v0",
        "--episodes", "1", "--out", "elsewhere", "--argmax", cwd=finished,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (finished / "elsewhere" / "rollout.mp4").stat().st_size > 0


def test_a_finished_run_that_is_resumed_shows_its_figures_again(finished):
    result = script("babyai_ppo", "--run", "runs/small", "--resume", cwd=finished)
    assert result.returncode == 0, result.stderr
    assert "of 8 fresh episodes" in result.stdout


def test_a_second_run_in_one_folder_is_refused(finished):
    refused(script("babyai_ppo", *SMALL, "--run", "runs/small", cwd=finished), "--resume")
    refused(
        script("babyai_ppo", *SMALL, "--run", "runs/small", "--envs", "8", cwd=finished),
        "another configuration",
        "envs: 4 there, 8 given",
    )
    refused(
        script("babyai_ppo", "--run", "runs/small", "--resume", "--seed", "3", cwd=finished),
        "seed: 0 there, 3 given",
    )


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_script_with_its_status_and_the_run_goes_on(signum, tmp_path):
    command = [sys.executable, str(EXPERIMENTS / "babyai_ppo.py"), *SMALL, "--run", "r"]
    command += ["--steps", "1000000"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (tmp_path / "r" / "checkpoints" / "LAST").exists():
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signum)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert "go on with: python experiments/babyai_ppo.py --run r --resume" in output
    with pytest.raises(ProcessLookupError):  # no process of its group is left
        os.killpg(process.pid, 0)
    again = subprocess.Popen([*command[:2], "--run", "r", "--resume"], cwd=tmp_path)
    time.sleep(0.1)
    assert again.poll() is None
    again.kill()
    again.wait()


def test_ctrl_c_which_every_process_gets_leaves_no_traceback_and_no_process(tmp_path):
    """The process that makes levels has the script's output: that ends when both have."""
    command = [sys.executable, str(EXPERIMENTS / "babyai_ppo.py"), *SMALL, "--run", "r"]
    command += ["--steps", "1000000", "--refresh", "64"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    while not (tmp_path / "r" / "levels" / "000003.safetensors").exists():
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert errors == "stopped by SIGINT\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--instr", "go to the red ball", "--engine", "sb3", "--refresh", "9999"), ("--engine",)),
        (("--level", "BabyAI-GoToLocl-v0"), ("BabyAI-GoToLocal-v0", "did you mean")),
        (("--level", "BabyAI-GoToLocal-v0", "--room-size", "5"), ("--room-size",)),
        (("--instr", "go to the rde ball"), ("^", "did you mean 'red'")),
        (("--instr", "pick up the door"), ("door",)),
        (("--instr", ""), ("instruction",)),
        (("--instr", "go to the red ball", "--room-size", "4"), ("--room-size", "--distractors")),
        (("--instr", "go to the red ball", "--device", "cuda:9"), ("--device cpu",)),
        (("--instr", "go to the red ball", "--steps", "-5"), ("--steps -5",)),
        (("--instr", "go to the red ball", "--step", "5"), ("--steps",)),
        (("--instr", "go to the red ball", "--steps", "many"), ("many",)),
        (("--instr", "go to the red ball", "--conditioning", "flim"), ("film",)),
        ((), ("--instr", "--level")),
        (("--resume",), ("--run runs/NAME --resume",)),
        (("--resume", "--run", "nowhere"), ("nowhere is not a run folder",)),
        (("--instr", "go to the red ball", "--run", "file/run"), ("cannot write",)),
    ],
)
def test_a_mistake_gets_a_message_and_status_2_and_leaves_nothing_behind(
    arguments, words, tmp_path
):
    (tmp_path / "file").write_text("")
    refused(called("babyai_ppo", *arguments, cwd=tmp_path), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_ends_training_with_a_message(tmp_path):
    """/dev/full answers every write with the error of a full disk."""
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "metrics.jsonl").symlink_to("/dev/full")
    refused(script("babyai_ppo", *SMALL, "--run", "r", cwd=tmp_path), "No space left", "is whole")


def test_a_mistake_about_a_run_is_told_by_every_script(finished):
    for name in ("babyai_evaluate", "babyai_video"):
        refused(called(name, "--run", "runs/smal", cwd=finished), "runs/small")
        refused(called(name, "--run", "runs/small", "--episodes", "0", cwd=finished), "1")
        refused(
            called(name, "--run", "runs/small", "--instr", "go to ball", cwd=finished), "^", "the"
        )
