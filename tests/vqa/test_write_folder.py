"""Generated splits are official folders, whatever interrupts them or shares the work."""

from dataclasses import replace

import pytest

from film_rl.run import UserError
from vqa.dataset import open_folder
from vqa.execute import execute
from vqa.questions import load_questions
from vqa.scenes import load_scenes
from vqa.write_folder import SplitRules, write_split

RULES = SplitRules(split="valA", images=5, seed=3, width=32, height=24, palette="A", per_image=4)


def write(root, rules=RULES, heard=None):
    write_split(root, rules, progress=[].append if heard is None else heard.append)


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    write(root)
    return root


def test_it_is_read_as_an_official_folder(folder):
    scenes = {scene["image_index"]: scene for scene in load_scenes(folder, "valA")}
    questions = load_questions(folder / "questions" / "CLEVR_valA_questions.json")
    assert sorted(scenes) == [0, 1, 2, 3, 4]
    assert len(questions) == 20
    for question in questions:
        assert (
            execute(question["program"], scenes[question["image_index"]]).answer
            == (question["answer"])
        )


def test_its_images_open(folder, tmp_path):
    dataset = open_folder(folder, "valA", 24, tmp_path, None)
    assert tuple(dataset.images.shape) == (5, 3, 24, 24)


def test_making_it_again_changes_nothing(folder, tmp_path):
    before = contents(folder)
    write(folder)
    write(tmp_path)
    assert contents(folder) == before == contents(tmp_path)


def test_a_killed_run_goes_on_with_the_parts_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("vqa.write_folder.PART", 2)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write(whole)

    def stop(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_split(broken, RULES, progress=stop)
    assert not (broken / "scenes" / "CLEVR_valA_scenes.json").exists()
    heard: list[int] = []
    write(broken, heard=heard)
    assert heard == [4, 5]
    assert contents(broken) == contents(whole)


def test_other_rules_for_the_same_split_are_refused(folder):
    with pytest.raises(UserError, match="made by other rules"):
        write(folder, replace(RULES, seed=4))


def test_a_split_that_came_from_elsewhere_is_not_overwritten(tmp_path):
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "CLEVR_valA_scenes.json").write_text("{}")
    with pytest.raises(UserError, match="not made here"):
        write(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 0}, "images=0; expected at least 1"),
        ({"num_objects": (3, 12)}, "num_objects"),
        ({"families": (90,)}, "90"),
        ({"palette": "C"}, "palette='C' is unknown"),
    ],
)
def test_rules_that_cannot_be_kept_leave_no_trace(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        write(tmp_path / "out", replace(RULES, **change))
    assert not (tmp_path / "out").exists()
