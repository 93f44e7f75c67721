"""Imitation as a user types it."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from agents.finish import finish_imitation
from agents.imitation import imitate
from agents.learner import load_agent
from agents.task import task_for
from envs.demonstrations import Source, make_demonstrations
from tests.experiments.helpers import EXPERIMENTS, refused, script

SMALL = (
    "--channels", "8", "--sentence-dim", "8", "--updates", "6", "--batch-size", "32",
    "--eval-episodes", "4", "--precision", "float32", "--eval-every", "3", "--val-episodes", "4",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with 12 demonstrations."""
    folder = tmp_path_factory.mktemp("folder")
    source = Source("go to the red ball", room_size=5, distractors=1)
    make_demonstrations(folder / "demos" / "ball", source, 12)
    return folder


def test_a_run_ends_with_a_summary_a_curve_a_film_and_an_agent_to_go_on_with(folder):
    result = script("babyai_imitate", "--demos", "demos/ball", *SMALL, "--run", "r", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "12 demonstrations, 6 updates" in result.stdout
    summary = json.loads((folder / "r" / "summary.json").read_text())
    assert (summary["demonstrations"], summary["advised_episodes"]) == (12, 0)
    assert all((folder / "r" / file).stat().st_size for file in summary["files"].values())
    agent, config = load_agent(folder / "r")
    assert agent.num_timesteps == 6
    assert str(task_for(config)) == "go to the red ball"
    command = ("babyai_imitate", "--demos", "demos/none", *SMALL)
    refused(script(*command, cwd=folder), "demos/none is no folder of demonstrations")


def test_a_curve_has_a_run_a_number_and_is_gone_on_with(folder, monkeypatch, capsys):
    sys.path.insert(0, str(EXPERIMENTS))  # where the scripts find each other
    curve = importlib.import_module("babyai_imitation_curve")
    sys.path.pop(0)
    monkeypatch.chdir(folder)
    trained = []

    def train_and_finish(run, config):
        trained.append(config.demonstrations)
        finish_imitation(config, run, *imitate(config, run), film=False)

    monkeypatch.setattr(curve, "train_and_finish", train_and_finish)
    for numbers in (["12"], ["6", "12"]):
        arguments = ["--demos", "demos/ball", *SMALL, "--numbers", *numbers, "--run", "curve"]
        arguments += ["--results", "rows.json"]
        monkeypatch.setattr(sys, "argv", ["babyai_imitation_curve", *arguments])
        curve.main()
    assert trained == [12, 6]
    rows = json.loads((folder / "rows.json").read_text())
    assert {row["what"] for row in rows} == {"6 demonstrations", "12 demonstrations"}
    for row in rows:
        number = row["what"].split()[0]
        summary = json.loads((folder / "curve" / number / "0" / "summary.json").read_text())
        assert row["part"] == "imitation go to the red ball"
        assert row["figures"]["sampled"] == round(100 * summary["success_rate"], 1)
        assert f"--demos demos/ball --numbers {number} --channels 8" in row["command"]
    assert (folder / "curve" / "curve.png").stat().st_size
    assert "2 runs in curve, 1 left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("number", "told"), [("0", "--numbers 0; expected 2 or more"), ("13", "ball has 12; expected")]
)
def test_a_curve_through_a_number_that_there_is_not_is_refused(folder, number, told):
    command = ("babyai_imitation_curve", "--demos", "demos/ball", "--run", "none")
    refused(script(*command, "--numbers", "6", number, cwd=folder), told)
    assert not (folder / "none").exists()
