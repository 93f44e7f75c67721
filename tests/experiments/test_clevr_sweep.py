"""The ablations and the comparison of systems as a user types them: resumable, with one table."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from film_rl.run import RunFolder
from tests.experiments.helpers import EXPERIMENTS, called, refused
from tests.experiments.test_clevr_scripts import SMALL
from tests.kill_and_resume import records

VARIANTS = ("--variant", "film", "no-film-1-4", "raw-pixels")
ABLATIONS = (*SMALL, *VARIANTS, "--seeds", "1", "--results", "rows.json")


def figures_of(run: Path) -> tuple:
    """What a run computed: its accuracies and its metrics."""
    return json.loads((run / "summary.json").read_text())["evaluation"], records(RunFolder(run))


def workers_of(run: Path) -> int:
    return len((run / "workers.jsonl").read_text().splitlines())


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with a sweep of two networks and three lines, runs/whole, and its rows.json."""
    folder = tmp_path_factory.mktemp("work")
    result = called("clevr_ablations", *ABLATIONS, "--run", "runs/whole", cwd=folder)
    assert result.returncode == 0, result.stderr
    (folder / "told.txt").write_text(result.stdout)
    return folder


def test_a_sweep_ends_with_a_table_a_picture_and_rows(finished):
    told = (finished / "told.txt").read_text()
    lines = [line.split("  ") for line in told.splitlines()]
    (film,) = [line for line in lines if line[0] == "FiLM as it is"]
    (pixels,) = [line for line in lines if line[0] == "raw pixels in place of features"]
    assert film[-1].strip() == "97.4"
    rows = json.loads((finished / "rows.json").read_text())
    assert [row["what"] for row in rows if row["measured"]] == [
        "FiLM as it is", "no FiLM in blocks 1-4", "raw pixels in place of features",
    ]  # fmt: skip
    summary = json.loads((finished / "runs/whole/film/0/summary.json").read_text())
    overall = round(100 * summary["accuracy"], 1)
    assert rows[0]["figures"] == rows[2]["figures"] == {"overall": overall}
    assert str(overall) in film
    assert str(overall) in pixels
    assert rows[0]["command"].startswith("python experiments/clevr_ablations.py --variant film ")
    assert rows[0]["seeds"] == [0]
    with Image.open(finished / "runs/whole/table-2.png") as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24)) > 10


def test_lines_that_are_one_network_share_its_runs(finished):
    assert sorted(p.parent.parent.name for p in finished.glob("runs/whole/*/0/summary.json")) == [
        "film", "none",
    ]  # fmt: skip


def test_a_row_s_command_makes_the_same_network(finished):
    """Typed again with the same folder, it finds its run there."""
    rows = json.loads((finished / "rows.json").read_text())
    words = rows[1]["command"].split()[2:]
    where = ("--run", "runs/whole", "--results", "again.json")
    again = called("clevr_ablations", *words, *where, cwd=finished)
    assert again.returncode == 0, again.stderr
    assert "1 runs in runs/whole, 0 left" in again.stdout
    assert workers_of(finished / "runs/whole/none/0") == 1
    (row,) = json.loads((finished / "again.json").read_text())
    assert {**row, "commit": ""} == {**rows[1], "commit": ""}


def test_systems_stand_beside_the_published_ones_and_share_runs_with_the_ablations(finished):
    words = (*SMALL, "--systems", "prior", "lstm", "none", "film", "--seeds", "1")
    where = ("--run", "runs/whole", "--results", "systems.json")
    result = called("clevr_systems", *words, *where, cwd=finished)
    assert result.returncode == 0, result.stderr
    assert "4 runs in runs/whole, 2 left" in result.stdout
    assert workers_of(finished / "runs/whole/film/0") == 1
    assert workers_of(finished / "runs/whole/none/0") == 1
    assert "(94.3)" in result.stdout  # what FiLM counts right in the paper
    rows = {row["what"]: row for row in json.loads((finished / "systems.json").read_text())}
    assert rows.pop("no conditioning")["paper"] is None
    assert [len(row["paper"]) for row in rows.values()] == [6, 6, 6]
    evaluation, _ = figures_of(finished / "runs/whole/lstm/0")
    for column, accuracy in rows["LSTM"]["figures"].items():
        row = {"overall": evaluation["overall"], **evaluation["category"]}[column]
        assert accuracy == round(100 * row["accuracy"], 1)


def test_a_sweep_killed_in_the_middle_goes_on_and_ends_with_the_same_figures(finished):
    words = (*ABLATIONS, "--run", "runs/killed")
    command = [sys.executable, str(EXPERIMENTS / "clevr_ablations.py"), *words]
    process = subprocess.Popen(command, cwd=finished)
    runs = finished / "runs/killed"
    while not (runs / "none/0/checkpoints/LAST").exists():
        time.sleep(0.02)
        assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    result = called("clevr_ablations", *words, cwd=finished)
    assert result.returncode == 0, result.stderr
    assert "2 runs in runs/killed, 1 left" in result.stdout
    assert [workers_of(runs / name / "0") for name in ("film", "none")] == [1, 2]
    for name in ("film/0", "none/0"):
        assert figures_of(runs / name) == figures_of(finished / "runs/whole" / name)


def test_a_folder_of_another_sweep_is_refused_with_what_differs(finished):
    words = (*ABLATIONS, "--run", "runs/whole", "--batch-size", "30")
    refused(called("clevr_ablations", *words, cwd=finished), "batch_size: 20 there, 30 given")
    run = ("--run", "runs/whole/film/0")
    refused(called("clevr_ablations", *ABLATIONS, *run, cwd=finished), "not a sweep's folder")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--systems", "flim"), ("--systems flim", "did you mean 'film'?")),
        (("--variant", "no-residal"), ("--variant no-residal", "did you mean 'no-residual'?")),
        (("--seeds", "0"), ("--seeds 0; expected 1 or more",)),
        (("--table", "4"), ("retrospective",)),
        (("--variant", "film", "--channels", "0"), ("FiLM as it is: --channels 0",)),
        (("--data", "nowhere"), ("--data nowhere is no folder",)),
    ],
)
def test_nonsense_is_refused_before_anything_is_made(arguments, words, tmp_path):
    name = "clevr_systems" if "--systems" in arguments else "clevr_ablations"
    refused(called(name, *arguments, cwd=tmp_path), *words)
    assert list(tmp_path.iterdir()) == []
