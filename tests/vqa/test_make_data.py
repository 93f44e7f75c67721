"""The generated data of a run: made once, held-out images apart, easy questions for training."""

import json

import torch

from vqa.dataset import check_disjoint, open_folder
from vqa.make_data import made_folder, small_splits
from vqa.write_folder import ZERO_HOP


def test_data_are_made_once_and_can_be_trained_on(tmp_path):
    splits = small_splits(
        ("train", 6),
        ("val", 3),
        size=24,
        max_objects=4,
        per_image=3,
        easy_per_image=2,
        first=4,
        seed=5,
    )
    root = made_folder(tmp_path, splits, processes=1)
    written = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert made_folder(tmp_path, splits, processes=1) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == written
    splits = ("train", "val", "first")
    train, val, first = (open_folder(root, split, 24, tmp_path) for split in splits)
    check_disjoint(train, val)
    assert train.images.shape == (6, 3, 24, 24)
    assert len(train) == 6 * (3 + 2)
    assert len(val) == 3 * 3
    easy = [question for question in train.questions if question.get("easy")]
    assert len(easy) == 6 * 2
    assert all(question["question_family_index"] in ZERO_HOP for question in easy)
    assert all(len(scene["objects"]) <= 4 for scene in train.scenes)
    assert len(first.images) == 4
    assert all(len(scene["objects"]) <= 2 for scene in first.scenes)
    assert all(question["question_family_index"] in ZERO_HOP for question in first.questions)


def test_another_seed_makes_other_data_elsewhere(tmp_path):
    options = {"size": 16, "max_objects": 3, "per_image": 1, "easy_per_image": 0, "first": 0}
    roots = [
        made_folder(
            tmp_path, small_splits(("train", 2), ("val", 2), **options, seed=seed), processes=1
        )
        for seed in (0, 1)
    ]
    first, second = (open_folder(root, "train", 16, tmp_path) for root in roots)
    assert roots[0] != roots[1]
    assert not torch.equal(first.images, second.images)
    questions = json.loads((roots[0] / "questions/CLEVR_train_questions.json").read_text())
    assert [q["question_index"] for q in questions["questions"]] == [0, 1]
