"""What is wrong with a configuration is found before anything is written."""

import re
from dataclasses import replace

import pytest

from film_rl.run import UserError
from vqa.check import HIGHEST, LOWEST, check
from vqa.config import PRESETS, small
from vqa.layout import QUESTIONS


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_trained(preset, tmp_path):
    for split in ("train", "val"):
        file = tmp_path / QUESTIONS[0].format(split)
        file.parent.mkdir(exist_ok=True)
        file.touch()
    check(replace(PRESETS[preset](), data=str(tmp_path), precision="float32"))


def test_a_folder_without_the_splits_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no questions of split 'train'.*there are no questions"):
        check(replace(small(), data=str(tmp_path)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "nowhere"}, "--data nowhere is no folder"),
        ({"train_images": 1}, "--train-images 10000"),
        ({"val_images": 0}, "--val-images 1000"),
        ({"val_split": "testA"}, "type --data FOLDER"),
        ({"image_size": 8}, "--image-size 64"),
        ({"steps": -5}, "--steps -5"),
        ({"steps": 0, "epochs": 0}, "train nothing"),
        ({"easy": 2.0}, "--easy 2.0"),
        ({"first": 0.5, "easy": 0.6}, "more than the whole training"),
        ({"fall": -0.1}, "--fall -0.1"),
        ({"max_objects": 11}, "--max-objects 11"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0"),
        ({"learning_rate": float("inf")}, "--learning-rate inf"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"weight_decay": float("nan")}, "--weight-decay nan"),
        ({"kernel_size": 2}, "kernel_size=2"),
        ({"film_blocks": (True,)}, "film_blocks=(True,)"),
        ({"film_blocks": (False,) * 3}, "no block is conditioned"),
        ({"inputs": "features"}, "--shift 0"),
        ({"inputs": "features", "image_size": 24}, "--image-size 224"),
        ({"device": "cuda:9"}, "--device cpu"),
        ({"precision": "bf61"}, "bf16"),
    ],
    ids=str,
)
def test_a_mistake_is_told(options, words):
    with pytest.raises(UserError, match=re.escape(words)):
        check(replace(small(), **options))


@pytest.mark.parametrize("name", LOWEST)
def test_every_number_has_a_least_value(name):
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')} "):
        check(replace(small(), **{name: LOWEST[name] - 1}))


@pytest.mark.parametrize("name", HIGHEST)
def test_what_no_computer_has_the_memory_for_has_a_highest_value(name):
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')} .* or less"):
        check(replace(small(), **{name: HIGHEST[name] + 1}))
