"""babyai_demos.py as a user types it."""

import importlib
import json
import subprocess
import sys
import time

import pytest

from envs.demonstrations import Demonstrations, Folder
from tests.envs.demonstrations.test_demonstrations import files
from tests.experiments.helpers import EXPERIMENTS

SMALL = ("--level", "BabyAI-GoToObjS4-v0", "--demonstrations", "100")


@pytest.fixture
def demos(monkeypatch, tmp_path):
    """Runs the script in this process; its status."""
    monkeypatch.syspath_prepend(EXPERIMENTS)
    monkeypatch.chdir(tmp_path)
    script = importlib.import_module("babyai_demos")
    monkeypatch.setattr(script, "RESULTS", tmp_path / "rows.json")
    (tmp_path / "rows.json").write_text("[]")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["babyai_demos.py", *words, "--workers", "1"])
        with pytest.raises(SystemExit) as end:
            script.main()
        return end.value.code

    return run


def test_demonstrations_are_made_checked_shown_recorded_and_filmed(demos, capsys, tmp_path):
    assert demos(*SMALL, "--record", "--films", "2") == 0
    shown = capsys.readouterr().out
    assert "100 of 100 demonstrations" in shown
    assert "fail when played again" in shown
    folder = tmp_path / "demos" / "babyai-gotoobjs4-v0"
    assert len(Demonstrations.load(folder)) == 100
    assert (folder / "videos" / "rollout.mp4").stat().st_size > 0
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    command = "python experiments/babyai_demos.py --record --level BabyAI-GoToObjS4-v0"
    assert row["command"] == f"{command} --demonstrations 100"
    assert row["figures"]["levels left out"] == 0
    assert demos(*SMALL, "--films", "0", "--no-check") == 0
    assert "not checked" in capsys.readouterr().out
    assert demos(*SMALL, "--record") == 2
    assert "give a new --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--level"),
        (("--level", "BabyAI-GoToLocal-v0", "--instr", "go to the red ball"), "either --level"),
        (("--level", "BabyAI-GoToLocl-v0"), "did you mean"),
        (("--instr", "go to the rde ball"), "did you mean 'red'"),
        ((*SMALL, "--out", "file"), "cannot write"),
    ],
)
def test_a_mistake_gets_a_message_and_status_2(words, told, demos, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert demos(*words) == 2
    assert told in capsys.readouterr().err


def test_a_killed_generation_goes_on_without_loss_or_repetition(demos, tmp_path):
    """Two processes made what is kept, one makes all in the end.

    The processes hold the script's output: that it ends says that all of them have.
    """
    options = [*SMALL[:2], "--films", "0", "--no-check"]
    command = [sys.executable, str(EXPERIMENTS / "babyai_demos.py"), *options]
    process = subprocess.Popen(
        [*command, "--demonstrations", "100000", "--out", "killed", "--workers", "2"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    shards = tmp_path / "killed" / "shards"
    while not list(shards.glob("[0-9]*")):
        time.sleep(0.01)
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    kept = {path: path.stat().st_mtime_ns for path in shards.glob("[0-9]*")}
    assert not Folder.open(tmp_path / "killed").demonstrations
    for folder in ("killed", "whole"):
        assert demos(*options, "--demonstrations", "130", "--out", folder) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert files(tmp_path / "whole").items() <= files(tmp_path / "killed").items()
