"""Damaged folders and nonsense, given to the CLEVR scripts: status 2, one message, the culprit."""

import json
from pathlib import Path

import pytest

from tests.experiments.helpers import called, refused, script
from tests.experiments.test_clevr_scripts import SMALL
from vqa.write_folder import SplitRules, write_split

RUN = ("--run", "run", "--data", "data")


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder with an official folder `data`, and a network trained on it, `run`."""
    folder = tmp_path_factory.mktemp("work")
    for seed, (split, images) in enumerate((("train", 6), ("val", 3))):
        rules = SplitRules(split, images, seed, width=36, height=24, visible_pixels=0)
        write_split(folder / "data", rules, progress=lambda done: None)
    result = script("clevr_train", *SMALL, *RUN, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def damaged(work):
    """A function that changes an official file with what it is given; mended afterwards."""
    before = {}

    def change(kind: str, how) -> Path:
        file = work / "data" / kind / f"CLEVR_val_{kind}.json"
        before[file] = file.read_bytes()
        content = json.loads(before[file])
        how(content[kind])
        file.write_text(json.dumps(content))
        return file

    yield change
    for file, content in before.items():
        file.write_bytes(content)


def test_a_scene_that_contradicts_itself_is_named_in_an_evaluation(work, damaged):
    damaged("scenes", lambda scenes: scenes[2]["relationships"]["left"][0].append(0))
    result = script("clevr_evaluate", *RUN, cwd=work)
    refused(result, "CLEVR_val_scenes.json, scene 2", "relationships['left'] disagrees")


def test_a_cyclic_program_is_named_in_a_training(work, damaged):
    damaged("questions", lambda questions: questions[7]["program"][1].update(inputs=[1]))
    result = script("clevr_train", *SMALL, "--data", "data", "--run", "new", cwd=work)
    refused(result, "CLEVR_val_questions.json, question 7", "cyclic")


def test_words_that_training_did_not_hold_are_told(work, damaged):
    damaged("questions", lambda questions: questions[0].update(question="zebras?"))
    (work / "rows.json").write_text("[]")
    written = ("--out", "e.json", "--results", "rows.json")
    result = script("clevr_evaluate", *RUN, *written, cwd=work)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads((work / "rows.json").read_text())
    errors = json.loads((work / "e.json").read_text())["counting_errors"]
    assert row["figures"]["wrong counts"] == errors["errors"]
    assert row["data"].endswith("questions of data val")
    share = errors["by_distance"].get("1", 0.0)
    assert row["figures"]["off by one"] == pytest.approx(100 * share, abs=0.05)
    told = " ".join(result.stdout.split())
    assert "CLEVR_val_questions.json, question 0: 'zebras'" in told
    figures = json.loads((work / "e.json").read_text())["consistency"]
    assert figures["groups"] >= 0
    assert "related questions" in told


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("clevr_evaluate", (*RUN, "--images", "-3"), ("--images -3",)),
        ("clevr_evaluate", (*RUN, "--split", "vall"), ("did you mean 'val'?",)),
        ("clevr_ask", ("--question", "?"), ("is empty",)),
        ("clevr_ask", ("--question", "How many?", "--top", "0"), ("--top 0", "1 to 28")),
        ("clevr_ask", ("--question", "How many?", "--out", "x.xyz"), ("--out asked.png",)),
        ("clevr_ask", ("--question", "How many things?", "--image", "no.png"), ("no.png",)),
    ],
)
def test_nonsense_is_refused(name, arguments, words, work):
    if name == "clevr_ask":
        picture = next((work / "data/images/val").glob("*.png"))
        arguments = ("--run", "run", "--image", str(picture), *arguments)
    refused(called(name, *arguments, cwd=work), *words)
