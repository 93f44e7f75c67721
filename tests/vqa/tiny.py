"""A tiny run on generated data: seconds, with words, images and a run folder as in earnest."""

from dataclasses import replace
from pathlib import Path

from film_rl.run import RunFolder, write_origin
from tests.vqa.toy import TOY
from vqa.config import VQAConfig
from vqa.fine_tune import begin
from vqa.learner import Learner
from vqa.prepare import to_split, train_split, training_data
from vqa.training import train

TINY = replace(
    TOY,
    image_size=16,
    train_images=6,
    val_images=3,
    max_objects=3,
    per_image=4,
    easy_per_image=0,
    steps=12,
    first=0.0,
    easy=0.0,
    log_every=4,
    eval_every=4,
    checkpoint_every=5,
)


def trained_run(config: VQAConfig, path: Path) -> RunFolder:
    """A new run folder, trained to its end."""
    run = RunFolder.create(path, config)
    with run:
        train_run(config, run)
    return run


def train_run(config: VQAConfig, run: RunFolder) -> Learner:
    """What a script does between making the run folder and the evaluation."""
    train_data, val_data, first = training_data(config)
    learner, vocabulary, origin = begin(config, train_data, run)
    vocabulary.save(run.path / "vocab.json")
    write_origin(run, origin)
    splits = train_split(train_data, first, vocabulary), to_split(val_data, vocabulary)
    train(config, *splits, learner, run)
    return learner
