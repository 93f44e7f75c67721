"""What can be wrong with a configuration, found before anything is written."""

from pathlib import Path

import torch

from film_rl.errors import did_you_mean
from film_rl.run import UserError, choose_device, choose_precision
from vqa.config import VQAConfig
from vqa.features import resnet101
from vqa.layout import question_file
from vqa.make_data import PALETTES
from vqa.systems import build_system, check_system

LOWEST = {
    "image_size": 8,
    "train_images": 0,
    "val_images": 0,
    "val_skip": 0,
    "word_threshold": 1,
    "per_image": 1,
    "easy_per_image": 0,
    "stem_channels": 1,
    "stem_layers": 1,
    "channels": 1,
    "blocks": 1,
    "word_dim": 1,
    "sentence_dim": 1,
    "sentence_layers": 1,
    "classifier_channels": 1,
    "classifier_hidden": 1,
    "steps": 0,
    "epochs": 0,
    "seed": 0,
    "batch_size": 2,
    "share": 1,
    "warmup": 0,
    "weight_decay": 0,
    "film_penalty": 0,
    "clip": 0,
    "shift": 0,
    "patience": 0,
    "baseline_steps": 0,
    "threads": 1,
    "workers": 0,
    "log_every": 1,
    "eval_every": 1,
    "checkpoint_every": 1,
}
# Far above what anybody needs, and below what no computer has the memory for.
HIGHEST = {
    "image_size": 1024,
    "stem_channels": 8192,
    "stem_layers": 32,
    "channels": 8192,
    "blocks": 128,
    "kernel_size": 63,
    "word_dim": 16_384,
    "sentence_dim": 16_384,
    "sentence_layers": 16,
    "classifier_channels": 16_384,
    "classifier_hidden": 16_384,
    "threads": 1024,
    "workers": 1024,
}


def check(config: VQAConfig) -> None:
    """Raise a UserError that says what is wrong and what to type instead, if anything is."""
    for name, lowest in LOWEST.items():
        if not getattr(config, name) >= lowest:
            raise UserError(f"{_typed(name)} {getattr(config, name)}: expected {lowest} or more")
    for name, highest in HIGHEST.items():
        if getattr(config, name) > highest:
            raise UserError(f"{_typed(name)} {getattr(config, name)}: expected {highest} or less")
    _check_shares(config)
    if config.start is None and (config.tune != "all" or config.word_threshold > 1):
        raise UserError(
            "--tune and --word-threshold say how a trained network is fine-tuned; type "
            "--start RUN, the run folder of that network"
        )
    if not 0 < config.learning_rate < float("inf"):
        raise UserError(
            f"--learning-rate {config.learning_rate}; expected a number above 0, such as 1e-3"
        )
    if not config.steps and not config.epochs:
        raise UserError("--steps 0 and --epochs 0 train nothing; type --steps 5000")
    choose_precision(config.precision, choose_device(config.device))
    check_system(config)
    _check_data(config)
    _check_network(config)


def _check_shares(config: VQAConfig) -> None:
    for name in ("first", "easy", "fall"):
        if not 0 <= getattr(config, name) <= 1:
            raise UserError(f"{_typed(name)} {getattr(config, name)}; expected 0 to 1")
    if config.first + config.easy > 1:
        raise UserError(
            f"--first {config.first} and --easy {config.easy} are more than the whole training; "
            "type --first 0.12 --easy 0.28"
        )
    if not 0 < config.train_share <= 1:
        raise UserError(f"--train-share {config.train_share}; expected above 0, to 1")


def _check_data(config: VQAConfig) -> None:
    if config.data is not None:
        if not Path(config.data).is_dir():
            raise UserError(
                f"--data {config.data} is no folder; expected one with images/ and questions/"
            )
        for split in (config.train_split, config.val_split):
            question_file(Path(config.data), split)
    elif unknown := {config.train_split, config.val_split} - PALETTES.keys():
        split = min(unknown)
        raise UserError(
            f"no split {split!r} can be generated: expected {', '.join(PALETTES)}"
            f"{did_you_mean(split, PALETTES)} (or type --data FOLDER for one that has it)"
        )
    elif min(config.train_images, config.val_images) < 2:
        raise UserError(
            "data to generate need a size: type --train-images 10000 --val-images 1000, "
            "or --data FOLDER for a folder in CLEVR's official format"
        )
    if config.train_split == config.val_split:
        _check_one_split(config)
    if not 3 <= config.max_objects <= 10:
        raise UserError(f"--max-objects {config.max_objects}; expected 3 to 10")


def _check_one_split(config: VQAConfig) -> None:
    """Training takes the first images of the split, and what is held out comes after these."""
    if not 0 < config.train_images <= config.val_skip:
        raise UserError(
            f"--train-split and --val-split are both {config.val_split}, of which training takes "
            f"{f'{config.train_images:,}' if config.train_images else 'all'} images and "
            f"{config.val_skip:,} are passed over; type --train-images 1000 --val-skip 1000, or "
            "another split"
        )


def _check_network(config: VQAConfig) -> None:
    try:
        with torch.device("meta"):
            build_system(config, vocab_size=4, num_answers=2)
    except ValueError as error:
        raise UserError(str(error)) from None
    halved = 2**config.stem_layers
    if config.inputs == "features":
        _check_features(config)
    elif config.image_size < 2 * halved:
        raise UserError(
            f"--image-size {config.image_size} leaves less than 2 cells a side after "
            f"--stem-layers {config.stem_layers}; type --image-size {8 * halved}"
        )


def _check_features(config: VQAConfig) -> None:
    if config.image_size < 32:
        raise UserError(
            f"--image-size {config.image_size} leaves less than 2 cells a side of features; "
            "type --image-size 224"
        )
    if config.shift:
        raise UserError(f"--shift {config.shift} moves pixels, not features; type --shift 0")
    resnet101(config.feature_weights)


def _typed(name: str) -> str:
    return f"--{name.replace('_', '-')}"
