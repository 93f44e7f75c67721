"""CoGenT, zero-shot, CLEVR-Humans and data efficiency as a user types them, tiny."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from agents.config import AgentConfig
from film_rl.run import RunFolder
from tests.experiments.helpers import called, refused
from tests.experiments.test_clevr_scripts import SAMPLES, SMALL

ON_A = ("--train-split", "trainA", "--val-split", "valA", "--baseline-steps", "0")


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder with networks trained on condition A, runs/a, and on all of it, runs/all.

    Beside them is runs/agent, a run of the other kind.
    """
    folder = tmp_path_factory.mktemp("work")
    for name, options in (("a", ON_A), ("all", ("--baseline-steps", "0"))):
        result = called("clevr_train", *SMALL, *options, "--run", f"runs/{name}", cwd=folder)
        assert result.returncode == 0, result.stderr
    RunFolder.create(folder / "runs/agent", AgentConfig(instr=("go to the red ball",)))
    return folder


def read(path: Path):
    return json.loads(path.read_text())


def is_a_picture(path: Path) -> bool:
    with Image.open(path) as picture:
        return len(picture.convert("L").getcolors()) > 10


def test_a_trained_network_is_fine_tuned_with_its_own_options(work):
    words = ("--start", "runs/a", "--tune", "film", "--train-split", "valB", "--val-split", "valB")
    words += ("--train-images", "6", "--val-skip", "6", "--steps", "4", "--run", "runs/tuned")
    result = called("clevr_train", *words, cwd=work)
    assert result.returncode == 0, result.stderr
    summary = read(work / "runs/tuned/summary.json")
    assert summary["start"] == read(work / "runs/tuned/start.json")
    assert summary["start"]["run"] == "runs/a"
    assert summary["start"]["step"] == 12
    config = read(work / "runs/tuned/config.json")
    assert (config["channels"], config["first"], config["tune"]) == (8, 0.0, "film")
    again = called("clevr_train", "--run", "runs/tuned", "--resume", cwd=work)
    assert again.returncode == 0, again.stderr


def test_zero_shot_figures_and_picture(work):
    result = called("clevr_zero_shot", "--run", "runs/a", "--results", "paper.json", cwd=work)
    assert result.returncode == 0, result.stderr
    figures = read(work / "runs/a/zero_shot.json")
    assert figures["A"]["questions"] == figures["B"]["questions"] == 40
    assert 0 < figures["B"]["applies"] == figures["B"]["where_it_applies"]["after"]["questions"]
    applied, overall, cogent = read(work / "paper.json")
    assert applied["figures"].keys() == applied["paper"].keys()
    assert applied["figures"]["share of B, %"] == round(100 * figures["B"]["share"], 1)
    assert overall["figures"]["after"] == cogent["figures"]["B"]
    assert is_a_picture(work / "runs/a/plots/zero_shot.png")


@pytest.fixture(scope="module")
def humans(tmp_path_factory) -> Path:
    """Official questions of CLEVR-Humans about the official images that are there."""
    if not SAMPLES.is_dir():
        pytest.skip(f"no real CLEVR samples at {SAMPLES} (FILM_RL_CLEVR_SAMPLES)")
    folder = tmp_path_factory.mktemp("official") / "CLEVR-Humans"
    folder.mkdir()
    (folder.parent / "CLEVR_v1.0").symlink_to(SAMPLES / "CLEVR_v1.0")
    for split in ("train", "val"):
        name = f"CLEVR-Humans-{split}.json"
        content = read(SAMPLES / "CLEVR-Humans" / name)
        shown = {path.name for path in (SAMPLES / f"CLEVR_v1.0/images/{split}").iterdir()}
        content["questions"] = [q for q in content["questions"] if q["image_filename"] in shown]
        assert len(content["questions"]) > 2
        (folder / name).write_text(json.dumps(content))
    return folder


HUMANS = ("--epochs", "2", "--batch-size", "2", "--word-threshold", "1", "--results", "humans.json")


def test_people_s_questions_tune_the_generator_alone(work, humans):
    words = ("--run", "runs/all", "--data", str(humans), *HUMANS)
    result = called("clevr_humans", *words, cwd=work)
    assert result.returncode == 0, result.stderr
    run = work / "runs/all-humans"
    figures = read(run / "humans.json")
    asked = read(humans / "CLEVR-Humans-val.json")["questions"]
    assert figures["overall"]["after"]["questions"] == len(asked)
    assert figures["start"]["new_words"] > 0
    counts = [one["before"]["questions"] for one in figures["by_words"].values()]
    assert sum(counts) == len(asked)
    summary = read(run / "summary.json")
    assert summary["accuracy"] == figures["overall"]["after"]["accuracy"]
    assert is_a_picture(run / "plots/humans.png")
    (row,) = read(work / "humans.json")
    assert row["figures"].keys() == row["paper"].keys()
    again = called("clevr_humans", *words, cwd=work)
    assert again.returncode == 0, again.stderr
    other = called("clevr_humans", *words, "--seed", "1", cwd=work)
    refused(other, "holds another run", "seed: 0 there, 1 given")
    for out, told in (("runs/agent", "of another kind"), ("humans.json", "choose another --out")):
        refused(called("clevr_humans", *words, "--out", out, cwd=work), told)


def test_an_answer_that_no_clevr_question_has_is_named(work, humans, tmp_path):
    (tmp_path / "CLEVR_v1.0").symlink_to(SAMPLES / "CLEVR_v1.0")
    folder = tmp_path / "CLEVR-Humans"
    shutil.copytree(humans, folder)
    file = folder / "CLEVR-Humans-train.json"
    content = read(file)
    content["questions"][1]["answer"] = "a lot"
    file.write_text(json.dumps(content))
    result = called("clevr_humans", "--run", "runs/all", "--data", str(folder), cwd=work)
    refused(result, "CLEVR-Humans-train.json, question 1", "'a lot' is none of CLEVR's 28")


SWEPT = ("--seeds", "1", "--results", "swept.json")


def test_cogent_trains_tunes_and_tests_on_both_conditions(work):
    words = (*SMALL, *SWEPT, "--amounts", "2", "3", "--penalties", "0", "--tune-parts", "film")
    words = (*words, "--tune-steps", "3", "--run", "runs/cogent")
    result = called("clevr_cogent", *words, cwd=work)
    assert result.returncode == 0, result.stderr
    folder = work / "runs/cogent"
    figures = read(folder / "cogent.json")["penalty 0, film"]
    assert list(figures) == ["0", "2", "3"]
    assert all(0 <= figures[amount][name][0] <= 100 for amount in figures for name in "AB")
    tuned = folder / "tuned/penalty-0/film-3/0"
    assert read(tuned / "start.json")["run"] == "runs/cogent/trained/penalty-0/0"
    on_b, held_out = read(tuned / "conditions.json")["B"], read(tuned / "summary.json")
    assert held_out["accuracy"] == pytest.approx(on_b)
    trained = read(folder / "trained/penalty-0/0/summary.json")
    on_a = read(folder / "trained/penalty-0/0/conditions.json")["A"]
    assert trained["accuracy"] == pytest.approx(on_a)
    assert is_a_picture(folder / "figure-9.png")
    rows = {(row["part"], row["what"]): row for row in read(work / "swept.json")}
    row = rows["figure 9", "only what makes gamma and beta, no penalty"]
    assert row["figures"]["B, 3 images"] == round(figures["3"]["B"][0], 1)
    before = (tuned / "summary.json").stat().st_mtime_ns
    again = called("clevr_cogent", *words, cwd=work)
    assert again.returncode == 0, again.stderr
    assert "0 left" in again.stdout
    assert (tuned / "summary.json").stat().st_mtime_ns == before


def test_nothing_is_fine_tuned_from_a_training_that_failed(work):
    words = (*SMALL, *SWEPT, "--amounts", "3", "--penalties", "0", "--tune-parts", "film")
    words = (*words, "--learning-rate", "1e30", "--tune-steps", "3", "--run", "runs/failed")
    refused(called("clevr_cogent", *words, cwd=work), "no training", "failed.json")
    assert (work / "runs/failed/trained/penalty-0/0/failed.json").exists()
    assert not list((work / "runs/failed/tuned").rglob("checkpoints/*"))


def test_a_file_that_holds_no_rows_is_refused_before_anything_is_trained(work):
    (work / "other.json").write_text("{}")
    for name in ("clevr_cogent", "clevr_systems", "clevr_data_efficiency"):
        words = (*SMALL, "--seeds", "1", "--results", "other.json", "--run", f"runs/unseen-{name}")
        refused(called(name, *words, cwd=work), "other.json is not a file of rows", "--results")
        assert not list(work.glob(f"runs/unseen-{name}/**/checkpoints"))


def test_data_efficiency_trains_on_the_first_images(work):
    words = (*SMALL, *SWEPT, "--shares", "0.5", "1", "--systems", "film")
    words = (*words, "--run", "runs/efficiency")
    result = called("clevr_data_efficiency", *words, cwd=work)
    assert result.returncode == 0, result.stderr
    folder = work / "runs/efficiency"
    half, whole = (read(folder / f"film-{name}/0/summary.json") for name in ("50", "100"))
    assert half["training_images"] == 6 + 2  # of 12, and of the 3 that training begins with
    assert whole["training_images"] == 12 + 3
    assert half["steps"] == whole["steps"]
    assert half["questions"] == whole["questions"]
    (row,) = (row for row in read(work / "swept.json") if row["part"] == "data efficiency")
    assert row["figures"]["50%"] == round(100 * half["accuracy"], 1)
    assert is_a_picture(folder / "data-efficiency.png")
    for run in ("film-50/0", "film-100/0"):  # as if made long ago, when seed 1 failed
        os.utime(folder / run / "summary.json", (86_400, 86_400))
        failed = folder / f"{run[:-1]}1" / "failed.json"
        failed.parent.mkdir()
        failed.write_text('{"failed": "NaN"}')
    again = called("clevr_data_efficiency", *words, "--seeds", "2", cwd=work)
    assert again.returncode == 0, again.stderr
    (row,) = (row for row in read(work / "swept.json") if row["part"] == "data efficiency")
    assert (row["seeds"], row["date"], row["figures"]["failed"]) == ([0], "1970-01-02", "2 of 4")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("clevr_cogent", (*SMALL, "--amounts", "4"), ("--amounts 4: 3 images of valB",)),
        ("clevr_data_efficiency", (*SMALL, "--shares", "0"), ("--shares 0.0: expected above 0",)),
        ("clevr_zero_shot", ("--run", "runs/all"), ("was trained on 'train'", "trainA")),
        ("clevr_zero_shot", ("--run", "runs/agent"), ("is a run of an agent", "are: runs/a,")),
        ("clevr_humans", ("--run", "runs/agent", "--data", "no"), ("is a run of an agent",)),
        ("clevr_train", ("--start", "runs/agent"), ("--start runs/agent is a run of an agent",)),
        ("babyai_zero_shot", ("--run", "runs/a"), ("a question answerer", "are: runs/agent")),
        ("clevr_cogent", (*SMALL, "--amounts", "3", "--run", "runs/agent"), ("no trained/",)),
        ("clevr_zero_shot", ("--run", "nowhere"), ("nowhere is not a run folder",)),
        ("clevr_humans", ("--run", "runs/all", "--data", "no"), ("--data no is no folder",)),
        ("clevr_humans", ("--run", "runs/all", "--data", "runs"), ("no questions of split",)),
        ("clevr_train", ("--start", "runs/a", "--channels", "4"), ("channels 8, not 4",)),
        ("clevr_train", ("--start", "runs/a", "--preset", "paper"), ("leave --preset out",)),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(name, arguments, words, work):
    before = {path.name for path in (work / "runs").iterdir()}
    refused(called(name, *arguments, cwd=work), *words)
    assert {path.name for path in (work / "runs").iterdir()} == before
