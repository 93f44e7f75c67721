"""Folder, config, metrics, seeds, device, signals, progress: what surrounds a run."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from rich.console import Console

import film_rl
from film_rl.run import (
    Metrics,
    Progress,
    RunFolder,
    StopRequest,
    UserError,
    autocast,
    choose_device,
    choose_precision,
    config_from_json,
    config_to_json,
    describe_device,
    differences,
    rng_state,
    seed_everything,
    separate_rng,
    set_rng_state,
)
from film_rl.run.metrics import read_metrics


@dataclass(frozen=True)
class Config:
    words: tuple[str, ...] = ("a", "b")
    size: int = 3
    rate: float = 0.5
    level: str | None = None
    kind: Literal["x", "y"] = "x"


# --- configuration


def test_a_configuration_comes_back_from_json_as_it_was():
    config = Config(words=(), level="BossLevel", kind="y")
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(config))), "f") == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"siez": 3}, r"f: unknown field 'siez'; did you mean 'size'\?"),
        ({"size": "3"}, "f: size is '3'; expected int"),
        ({"size": True}, "f: size is True; expected int"),
        ({"words": "ab"}, "f: words is 'ab'"),
        ({"words": [1]}, "f: words is 1; expected str"),
        ({"kind": "z"}, "f: kind is 'z'"),
        ({"level": 5}, "f: level is 5; expected str"),
    ],
)
def test_a_damaged_configuration_is_refused_with_the_field_s_name(change, message):
    with pytest.raises(UserError, match=message):
        config_from_json(Config, {**config_to_json(Config()), **change}, "f")


def test_a_missing_field_is_named():
    with pytest.raises(UserError, match="f: missing size, rate"):
        config_from_json(Config, {"words": [], "level": None, "kind": "x"}, "f")
    with pytest.raises(UserError, match="expected a JSON object, found list"):
        config_from_json(Config, [], "f")


def test_differences_name_each_field():
    lines = differences(Config(), Config(size=4, level="L"))
    assert lines == ["size: 3 there, 4 given", "level: None there, 'L' given"]


# --- the run folder


def test_a_run_folder_holds_its_configuration(tmp_path):
    run = RunFolder.create(tmp_path / "runs" / "a", Config(size=9))
    assert RunFolder.existing(run.path).config(Config) == Config(size=9)


def test_a_second_run_of_another_configuration_is_refused_field_by_field(tmp_path):
    RunFolder.create(tmp_path, Config())
    with pytest.raises(UserError, match=r"(?s)another configuration.*size: 3 there, 4 given"):
        RunFolder.create(tmp_path, Config(size=4))
    with pytest.raises(UserError, match="go on with --resume"):
        RunFolder.create(tmp_path, Config())


def test_unnamed_runs_get_the_next_free_number(tmp_path):
    paths = [RunFolder.create_numbered(tmp_path, "Go to  the {color} ball!", Config()).path.name
             for _ in range(3)]  # fmt: skip
    assert paths == ["go-to-the-color-ball", "go-to-the-color-ball-2", "go-to-the-color-ball-3"]


def test_a_folder_without_a_run_is_refused_and_the_others_are_listed(tmp_path):
    RunFolder.create(tmp_path / "red", Config())
    with pytest.raises(UserError, match=r"rde is not a run folder.*runs there are: .*red"):
        RunFolder.existing(tmp_path / "rde")


def test_a_config_that_is_not_json_is_a_user_error(tmp_path):
    run = RunFolder.create(tmp_path, Config())
    run.config_path.write_bytes(b"\x80\x04cposix\nsystem\n")
    with pytest.raises(UserError, match="not valid JSON"):
        run.config(Config)


def test_a_path_that_cannot_be_a_folder_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the run folder"):
        RunFolder.create(tmp_path / "file" / "run", Config())


def test_a_second_process_on_the_same_folder_is_refused_and_told_by_whom(tmp_path):
    run = RunFolder.create(tmp_path, Config())
    code = (
        "import sys; from pathlib import Path; from film_rl.run import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])): pass"
    )
    with run:
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=False
        )
        assert other.returncode == 1
        assert f"in use by process {os.getpid()} on".encode() in other.stderr
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_the_lock_of_a_killed_process_does_not_stay(tmp_path):
    run = RunFolder.create(tmp_path, Config())
    code = (
        "import os, sys; from pathlib import Path; from film_rl.run import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with run:
        assert str(os.getpid()) in (tmp_path / ".owner").read_text()


def test_a_summary_says_which_commit_and_version_made_it(tmp_path):
    run = RunFolder.create(tmp_path, Config())
    assert run.summary() is None
    run.write_summary({"success_rate": 1.0})
    summary = run.summary()
    assert summary["success_rate"] == 1.0
    assert {"version", "commit"} <= set(summary)


def test_the_commit_is_that_of_the_source_that_runs_whatever_becomes_of_it(tmp_path):
    shutil.copytree(Path(film_rl.__file__).parent, tmp_path / "film_rl")
    git = f"git -C {tmp_path} -c user.name=a -c user.email=a@b".split()
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    script = f"""
import subprocess
from film_rl.run import RunFolder
from film_rl.run.folder import commit
with RunFolder({str(tmp_path / "run")!r}) as run:
    subprocess.run({[*git, "commit", "-q", "--allow-empty", "-m", "second"]!r}, check=True)
    run.write_summary({{}})
    print(run.summary()["commit"])
"""
    (tmp_path / "run").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    first = subprocess.run(
        [*git, "rev-parse", "HEAD~1"], check=True, capture_output=True, text=True
    )
    assert ran.stdout == first.stdout != ""


@pytest.mark.parametrize("content", ["{}", "[]", "5", "", "{"])
def test_a_damaged_summary_says_how_to_make_it_again(tmp_path, content):
    run = RunFolder.create(tmp_path, Config())
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(UserError, match=r"remove it, then type --run .* --resume"):
        run.summary()


# --- metrics


def test_metrics_are_lines_of_json_and_tensorboard_events(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.log(10, {"loss": 0.5})
    metrics.log(20, {"loss": 0.25, "kl": 0.0})
    metrics.close()
    records = read_metrics(tmp_path)
    assert [record["step"] for record in records] == [10, 20]
    assert records[1]["loss"] == 0.25
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_after_a_resume_no_step_is_there_twice_and_none_is_cut(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.log(10, {"loss": 0.5})
    position = metrics.position()
    metrics.log(20, {"loss": 0.4})
    metrics.close()
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 30, "lo')  # a kill in the middle of a line
    assert [record["step"] for record in read_metrics(tmp_path)] == [10, 20]
    resumed = Metrics(tmp_path, resume=position)
    resumed.log(20, {"loss": 0.3})
    resumed.close()
    assert [(r["step"], r["loss"]) for r in read_metrics(tmp_path)] == [(10, 0.5), (20, 0.3)]


def test_lines_that_are_no_records_are_left_out_with_a_warning(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\nrubbish\n5\n{"loss": 1}\n')
    with pytest.warns(UserWarning, match=r"line [234] is no record") as warned:
        assert [record["step"] for record in read_metrics(tmp_path)] == [1]
    assert len(warned) == 3


def test_records_lost_from_the_file_are_told(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.log(10, {"loss": 0.5})
    position = metrics.position()
    metrics.close()
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    with pytest.warns(UserWarning, match="has lost records"):
        Metrics(tmp_path, resume=position).close()


# --- random numbers, device, precision


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_seed_fixes_every_generator_and_a_state_brings_it_back():
    seed_everything(3)
    first = draw()
    state = rng_state()
    second = draw()
    seed_everything(3)
    assert draw() == first
    set_rng_state(state)
    assert draw() == second
    seed_everything(4)
    assert draw() != first


def test_separate_numbers_leave_the_caller_s_alone():
    seed_everything(3)
    expected = draw()
    seed_everything(3)
    with separate_rng(2**40):
        inside = draw()
    assert draw() == expected
    with separate_rng(2**40):
        assert draw() == inside


def test_auto_takes_what_the_machine_has():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == expected
    assert choose_device("cpu") == torch.device("cpu")
    assert describe_device(torch.device("cpu")).startswith("cpu (")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "cuda:x", "cpux", ""])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(UserError, match="device"):
        choose_device(name)


def test_precision_is_chosen_by_name_or_by_the_hardware():
    cpu = torch.device("cpu")
    assert choose_precision("float32", cpu) is torch.float32
    assert choose_precision("bf16", cpu) is torch.bfloat16
    assert choose_precision("auto", cpu) in (torch.float32, torch.bfloat16)
    with pytest.raises(UserError, match=r"'bf61' is unknown.*did you mean 'bf16'"):
        choose_precision("bf61", cpu)


def test_autocast_changes_products_only_in_bf16():
    a = torch.ones(2, 2)
    with autocast(torch.device("cpu"), torch.bfloat16):
        assert (a @ a).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), torch.float32):
        assert (a @ a).dtype == torch.float32


# --- signals and progress


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_handlers_come_back(signum):
    before = signal.getsignal(signum)
    with StopRequest() as stop:
        assert stop.signum is None
        os.kill(os.getpid(), signum)
        assert stop.signum == signum
        assert signal.getsignal(signum) is before  # a second one acts at once
    assert signal.getsignal(signum) is before


def test_a_log_gets_plain_lines_with_rate_time_left_and_best_metric():
    text = io.StringIO()
    progress = Progress(100, metric="success", console=Console(file=text, width=200))
    with progress:
        progress.update(50, 0.75)
        progress.update(100, 0.5)
    assert text.getvalue().startswith("100 of 100 steps, ")
    assert text.getvalue().endswith("0:00 left, success 0.500 (best 0.750)\n")


def test_a_terminal_gets_a_live_line():
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=True)
    with Progress(100, metric="success", console=console) as progress:
        progress.update(40, 0.5)
    assert "40 of 100 steps" in text.getvalue()
    assert "━" in text.getvalue()


def test_replacing_a_field_is_the_only_way_to_change_a_configuration():
    with pytest.raises(AttributeError):
        Config().size = 4
    assert replace(Config(), size=4).size == 4
