"""The CLEVR scripts as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.experiments.helpers import EXPERIMENTS, refused, script

SMALL = (
    "--train-images", "12", "--val-images", "4", "--image-size", "32", "--stem-channels", "8",
    "--channels", "8", "--blocks", "2", "--word-dim", "8", "--sentence-dim", "8",
    "--classifier-channels", "16", "--classifier-hidden", "16", "--steps", "12",
    "--batch-size", "20", "--baseline-steps", "4", "--eval-every", "6", "--log-every", "3",
    "--checkpoint-every", "5", "--threads", "1",
)  # fmt: skip


SAMPLES = Path(
    os.environ.get(
        "FILM_RL_CLEVR_SAMPLES", Path(__file__).resolve().parents[3] / "shared" / "data" / "clevr"
    )
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which one small run was trained to its end; it is called runs/small."""
    folder = tmp_path_factory.mktemp("work")
    result = script("clevr_train", *SMALL, "--run", "runs/small", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "held-out questions right" in result.stdout
    return folder


def test_a_preset_changes_the_defaults():
    command = [sys.executable, str(EXPERIMENTS / "clevr_train.py"), "--preset", "paper", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "4096)" in text
    assert "0.0003)" in text


def test_a_run_ends_with_figures_and_pictures(finished):
    run = finished / "runs" / "small"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 12
    assert summary["training_images"] == 12 + 3  # three of one or two objects come first
    assert summary["evaluation"]["overall"]["questions"] == summary["questions"] == 40
    for name in ("accuracy", "question_only", "images_swapped", "most_frequent_answer"):
        assert 0 <= summary[name] <= 1
    for file in summary["files"].values():
        with Image.open(run / file) as picture:
            assert len(picture.convert("L").getcolors()) > 10


def test_a_finished_run_is_evaluated_again_with_the_same_figures(finished):
    result = script("clevr_evaluate", "--run", "runs/small", "--out", "e.json", cwd=finished)
    assert result.returncode == 0, result.stderr
    assert "CNN+LSTM+SA" in result.stdout
    figures = json.loads((finished / "e.json").read_text())
    summary = json.loads((finished / "runs/small/summary.json").read_text())
    assert {name: figures[name] for name in summary["evaluation"]} == summary["evaluation"]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no real CLEVR samples at {SAMPLES}")
def test_real_questions_are_answered_and_those_of_the_test_split_written(finished):
    data = ("--run", "runs/small", "--data", str(SAMPLES / "CLEVR_v1.0"))
    result = script("clevr_evaluate", *data, "--split", "train", cwd=finished)
    assert result.returncode == 0, result.stderr
    figures = json.loads((finished / "runs/small/evaluation-train.json").read_text())
    assert figures["overall"]["questions"] == 40
    test = ("--split", "test", "--predictions", "answers.txt")
    assert script("clevr_evaluate", *data, *test, cwd=finished).returncode == 0
    assert len((finished / "answers.txt").read_text().splitlines()) == 10


def test_a_question_is_answered_and_the_picture_of_where_it_looked_drawn(finished):
    image = next((finished / "runs/clevr-data").glob("generated-*/images/val/*0.png"))
    ask = ("--run", "runs/small", "--image", str(image), "--top", "3", "--out", "asked.png")
    result = script("clevr_ask", *ask, "--question", "How many things are there?", cwd=finished)
    assert result.returncode == 0, result.stderr
    assert len([line for line in result.stdout.splitlines() if "%" in line]) == 3
    with Image.open(finished / "asked.png") as picture:
        assert picture.width > picture.height
    typo = ("--question", "How many rde things are there?")
    refused(script("clevr_ask", *ask, *typo, cwd=finished), "'rde'", "the closest is 'red'")


@pytest.mark.parametrize(("system", "reads"), [("pg_ee", True), ("prior", False)])
def test_another_system_goes_the_same_way_without_the_picture(finished, system, reads):
    run = ("--run", f"runs/{system}")
    result = script("clevr_train", *SMALL, *run, "--system", system, cwd=finished)
    assert result.returncode == 0, result.stderr
    again = script("clevr_evaluate", *run, cwd=finished)
    assert again.returncode == 0, again.stderr
    figures = json.loads((finished / f"runs/{system}/evaluation-val.json").read_text())
    assert ("programs" in figures) == (system == "pg_ee")
    image = next((finished / "runs/clevr-data").glob("generated-*/images/val/*0.png"))
    ask = (*run, "--image", str(image), "--question", "How many things are there?")
    asked = script("clevr_ask", *ask, cwd=finished)
    if reads:
        assert asked.returncode == 0, asked.stderr
        assert asked.stdout.count("%") == 5
        assert "where it looked" not in asked.stdout
        refused(script("clevr_ask", *ask, "--out", "x.png", cwd=finished), "no blocks to look into")
    else:
        refused(asked, "--system prior reads programs")


def test_a_signal_ends_training_with_its_status_and_the_run_goes_on(finished):
    command = [sys.executable, str(EXPERIMENTS / "clevr_train.py"), *SMALL, "--run", "runs/long"]
    command += ["--steps", "1000000"]
    process = subprocess.Popen(command, cwd=finished, stdout=subprocess.PIPE, text=True)
    while not (finished / "runs/long/checkpoints/LAST").exists():
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "go on with: python experiments/clevr_train.py --run runs/long --resume" in output
    assert len(list((finished / "runs/clevr-data").glob("generated-*/images"))) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "file"), ("--data file is no folder",)),
        (("--preset", "papper"), ("paper",)),
        (("--conditioning", "flim"), ("film",)),
        (("--system", "mca"), ("did you mean 'mac'?",)),
        (("--system", "lstm", "--placement", "after_relu2"), ("--system lstm", "--placement")),
        (("--system", "mac", "--sentence-dim", "9"), ("sentence_dim=9", "give 10")),
        (("--resume", "--run", "nowhere"), ("nowhere is not a run folder",)),
    ],
)
def test_a_mistake_gets_a_message_and_status_2_and_leaves_nothing_behind(
    arguments, words, tmp_path
):
    (tmp_path / "file").write_text("")
    refused(script("clevr_train", *arguments, cwd=tmp_path), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_of_an_agent_is_no_question_answerer(tmp_path):
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "config.json").write_text('{"instr": []}')
    refused(script("clevr_evaluate", "--run", "agent", cwd=tmp_path), "a run of an agent")


def test_two_processes_make_one_run_that_goes_on_in_two(finished):
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")

    def train(*words: str) -> subprocess.CompletedProcess:
        command = [*launcher, "2", "--", str(EXPERIMENTS / "clevr_train.py"), *words]
        return subprocess.run(
            command, cwd=finished, capture_output=True, text=True, check=False, timeout=300
        )

    run = finished / "runs/two"
    before = {path.name for path in run.parent.iterdir()}
    done = train(*SMALL, "--run", "runs/two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("held-out questions right") == 1
    assert {path.name for path in run.parent.iterdir()} - before == {"two"}
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [3, 6, 9, 12]
    again = train("--run", "runs/two", "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("held-out questions right") == 1
