"""A folder in the official format becomes questions with their images and scenes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vqa
from vqa.dataset import Dataset, check_disjoint, open_folder
from vqa.errors import DataError
from vqa.execute import execute
from vqa.images import read_image

COUNT = [
    {"function": "scene", "inputs": [], "value_inputs": []},
    {"function": "count", "inputs": [0], "value_inputs": []},
]
NOTHING_RELATED = {name: [[]] for name in ("left", "right", "front", "behind")}


def scene(index: int, name: str) -> dict:
    thing = {"shape": "cube", "size": "small", "material": "metal", "color": "red"}
    return {
        "image_index": index,
        "image_filename": name,
        "objects": [thing | {"3d_coords": [0.0, 0.0, 0.35]}],
        "relationships": NOTHING_RELATED,
    }


def question(index: int, name: str) -> dict:
    asked = {"question": "How many things are there?", "answer": "1", "program": COUNT}
    return asked | {"image_index": index, "image_filename": name}


def write_images(root: Path, split: str, indices: list[int], seed: int = 0) -> list[str]:
    folder = root / "images" / split
    folder.mkdir(parents=True)
    names = [f"CLEVR_{split}_{index:06}.png" for index in indices]
    for index, name in zip(indices, names, strict=True):
        noise = np.random.default_rng([seed, index]).integers(0, 256, (16, 24, 4), np.uint8)
        Image.fromarray(noise).save(folder / name)
    return names


def write_split(root: Path, split: str, indices: list[int], seed: int = 0, **changes) -> None:
    """Write a split with two questions about each image, those of the last image first."""
    names = write_images(root, split, indices, seed)
    pairs = list(zip(indices, names, strict=True))
    questions = [question(*pair) for pair in reversed(pairs)] * 2
    contents = {"questions": questions, "scenes": [scene(*pair) for pair in pairs]} | changes
    for section, records in contents.items():
        (root / section).mkdir(exist_ok=True)
        content = {"info": {"split": split}, section: records}
        (root / section / f"CLEVR_{split}_{section}.json").write_text(json.dumps(content))


@pytest.mark.parametrize("split", ["train", "val", "trainA", "valA", "valB"])
def test_each_question_has_its_image_and_its_scene(tmp_path, split):
    root = tmp_path / "CLEVR"
    write_split(root, split, [3, 4, 9])
    data = open_folder(root, split, size=8, cache=tmp_path / "cache")
    assert len(data) == 6
    assert data.rows.tolist() == [2, 1, 0] * 2
    for index, asked in enumerate(data.questions):
        image = read_image(root / "images" / split / asked["image_filename"], 8)
        assert np.array_equal(data.images[data.rows[index]], image)
        shown = data.scenes[data.rows[index]]
        assert shown["image_index"] == asked["image_index"]
        assert execute(asked["program"], shown).answer == asked["answer"]


def test_the_real_folder_is_read_cut_short_as_it_is(clevr_samples, tmp_path):
    root = clevr_samples / "CLEVR_v1.0"
    for split, images, questions in (("train", 4, 40), ("val", 1, 7), ("test", 1, 10)):
        data = open_folder(root, split, cache=tmp_path)
        assert data.images.shape == (images, 3, 224, 224)
        assert len(data) == questions
        if split == "test":
            assert data.scenes is None
        else:
            shown = [data.scenes[row] for row in data.rows]
            asked = zip(data.questions, shown, strict=True)
            given = [execute(question["program"], scene) for question, scene in asked]
            assert [each.answer for each in given] == [q["answer"] for q in data.questions]


def test_the_questions_of_humans_are_about_the_images_of_clevr_beside_them(tmp_path):
    write_split(tmp_path / "CLEVR_v1.0", "val", [0, 1, 2])
    humans = tmp_path / "CLEVR-Humans"
    humans.mkdir()
    asked = {key: question(2, "CLEVR_val_000002.png")[key]
             for key in ("question", "answer", "image_index", "image_filename")}  # fmt: skip
    (humans / "CLEVR-Humans-val.json").write_text(json.dumps({"questions": [asked]}))
    data = open_folder(humans, "val", size=8, cache=tmp_path / "cache")
    assert data.questions == [asked]
    assert [data.scenes[row]["image_index"] for row in data.rows] == [2]
    image = read_image(tmp_path / "CLEVR_v1.0" / "images" / "val" / asked["image_filename"], 8)
    assert np.array_equal(data.images, image[None])


def test_fewer_images_are_those_of_lowest_index_with_their_questions(tmp_path):
    root = tmp_path / "CLEVR"
    write_split(root, "train", [3, 4, 9])
    whole = open_folder(root, "train", size=8, cache=tmp_path / "cache")
    some = open_folder(root, "train", size=8, cache=tmp_path / "cache", most_images=2)
    assert torch.equal(some.images, whole.images[:2])
    assert [asked["image_index"] for asked in some.questions] == [4, 3] * 2
    assert [each["image_index"] for each in some.scenes] == [3, 4]


def test_scenes_can_be_left_out(tmp_path):
    root = tmp_path / "CLEVR"
    write_split(root, "train", [3], scenes=[{"broken": True}])
    assert open_folder(root, "train", 8, tmp_path, with_scenes=False).scenes is None
    with pytest.raises(DataError, match=r"train_scenes.json, scene 0: 'image_index' is None"):
        open_folder(root, "train", 8, tmp_path)


def test_generated_data_needs_no_folder():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    data = Dataset(images, [question(7, "b.png")], [scene(5, "a.png"), scene(7, "b.png")])
    assert data.rows.tolist() == [1]
    assert Dataset(images, [question(1, "b.png")]).rows.tolist() == [1]
    assert Dataset(images, []).rows.tolist() == []


def test_data_that_do_not_fit_together_are_refused():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    scenes = [scene(0, "a.png"), scene(1, "b.png")]
    fitting = question(0, "a.png")
    with pytest.raises(DataError, match="2 images, but 1 scenes"):
        Dataset(images, [], scenes[:1])
    with pytest.raises(DataError, match="2 images, but 1 image_index"):
        Dataset(images, [], scenes[:1] * 2)
    with pytest.raises(DataError, match=r"questions, question 1: is about image 2, which is none"):
        Dataset(images, [fitting, question(2, "c.png")], scenes)
    with pytest.raises(DataError, match=r"question 1: is about a.png, but the scene of image 1 is"):
        Dataset(images, [fitting, question(1, "a.png")], scenes)


def test_what_is_missing_in_a_folder_is_named(tmp_path):
    root, cache = tmp_path / "CLEVR", tmp_path / "cache"
    write_split(root, "train", [0, 1, 2], scenes=[scene(0, "CLEVR_train_000000.png")])
    with pytest.raises(DataError, match=r"train_scenes.json: has no scene for image 1"):
        open_folder(root, "train", size=8, cache=cache)
    (root / "images" / "train" / "CLEVR_train_000001.png").unlink()
    with pytest.raises(DataError, match=r"CLEVR_train_000001.png, image 1: No such file"):
        open_folder(root, "train", size=8, cache=cache)
    with pytest.raises(DataError, match=r"no questions of split 'trian'.* did you mean 'train'"):
        open_folder(root, "trian", size=8, cache=cache)


def test_questions_that_disagree_about_an_image_are_named(tmp_path):
    names = ["CLEVR_train_000000.png", "CLEVR_train_000001.png"]
    for odd in (question(0, names[1]), question(7, names[1])):
        root = tmp_path / str(odd["image_index"])
        asked = [question(index, name) for index, name in enumerate(names)]
        write_split(root, "train", [0, 1], questions=[*asked, odd])
        with pytest.raises(DataError, match=r"questions.json, question 2: is about image [07], "):
            open_folder(root, "train", 8, tmp_path, with_scenes=False)


def test_a_split_without_questions_and_a_scene_told_twice_are_named(tmp_path):
    write_split(tmp_path / "none", "train", [0], questions=[])
    with pytest.raises(DataError, match=r"CLEVR_train_questions.json: holds no questions"):
        open_folder(tmp_path / "none", "train", 8, tmp_path)
    twice = [scene(0, "CLEVR_train_000000.png")] * 2
    write_split(tmp_path / "twice", "train", [0], scenes=twice)
    with pytest.raises(DataError, match=r"scenes.json, scene 1: image 0 has one already"):
        open_folder(tmp_path / "twice", "train", 8, tmp_path)


def test_train_and_val_that_share_a_picture_are_refused(tmp_path):
    root = tmp_path / "CLEVR"
    write_split(root, "train", [0, 1, 2], seed=1)
    write_split(root, "val", [0, 1], seed=2)
    train, val = (open_folder(root, split, size=8, cache=tmp_path) for split in ("train", "val"))
    check_disjoint(train, val)
    images = root / "images"
    shutil.copy(
        images / "train" / "CLEVR_train_000002.png", images / "val" / "CLEVR_val_000001.png"
    )
    shared = open_folder(root, "val", size=8, cache=tmp_path)
    with pytest.raises(
        DataError, match=r"image 2 of .*train.* and image 1 of .*val.* are the same"
    ):
        check_disjoint(train, shared)
    with pytest.raises(DataError, match=r"image 0 of .* and image 0 of"):
        check_disjoint(train, train)
    with pytest.raises(DataError, match="read both at one size"):
        check_disjoint(train, open_folder(root, "val", size=12, cache=tmp_path))


def test_pictures_that_agree_in_one_line_only_are_not_the_same():
    one = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    other = one.clone()
    other[0, 2, 0, 0] = 1
    check_disjoint(Dataset(one, []), Dataset(other, []))


def test_the_package_gives_its_four_names():
    assert all(callable(getattr(vqa, name)) for name in vqa.__all__)
    with pytest.raises(AttributeError, match="no attribute 'parse_questions'"):
        vqa.parse_questions  # noqa: B018
