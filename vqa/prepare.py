"""From a configuration to questions and images in tensors, read from a folder or made first."""

import os
from dataclasses import replace
from pathlib import Path

from film_rl.run import Checkpointer, RunFolder, UserError, seed_everything
from vqa.batches import question_table
from vqa.config import VQAConfig
from vqa.dataset import Dataset, check_disjoint, open_folder
from vqa.learner import Learner
from vqa.make_data import made_folder, small_splits
from vqa.questions import ANSWERS
from vqa.tokens import QuestionVocabulary
from vqa.training import Split, make_learner, restore_trained


def data_folder(config: VQAConfig) -> Path:
    """The official folder to train on: the one given, or one made now or earlier."""
    if config.data is not None:
        return Path(config.data)
    train, val = small_splits(
        config.train_images,
        config.val_images,
        size=config.image_size,
        max_objects=config.max_objects,
        per_image=config.per_image,
        easy_per_image=config.easy_per_image,
        seed=config.seed,
    )
    return made_folder(Path(config.cache), train, val, processes=os.cpu_count() or 1)


def open_split(config: VQAConfig, root: Path, split: str, most_images: int) -> Dataset:
    """A split of an official folder at the network's image size; 0 images are all of them."""
    return open_folder(root, split, config.image_size, config.cache, most_images or None)


def training_data(config: VQAConfig) -> tuple[Dataset, Dataset]:
    """What to train on and what is held out; made first where no folder is given.

    Raises:
        DataError: a file is missing or damaged; the two share a picture.
    """
    root = data_folder(config)
    train, val = (
        open_split(config, root, split, most)
        for split, most in (("train", config.train_images), ("val", config.val_images))
    )
    check_disjoint(train, val)
    return train, val


def vocabulary_of(dataset: Dataset) -> QuestionVocabulary:
    """The vocabulary of the questions."""
    return QuestionVocabulary.from_questions(q["question"] for q in dataset.questions)


def to_split(dataset: Dataset, vocabulary: QuestionVocabulary) -> Split:
    """Images and questions as tensors; tokens that the vocabulary lacks are `<UNK>`."""
    tokens = vocabulary.encode_all(dataset.questions, dataset.source, allow_unknown=True)
    table = question_table(dataset.questions, tokens, dataset.rows.tolist(), ANSWERS)
    return Split(dataset.images, table)


def fresh_learner(config: VQAConfig, vocabulary: QuestionVocabulary) -> Learner:
    """The untrained network; all random numbers start from the configuration's seed."""
    seed_everything(config.seed)
    return make_learner(config, len(vocabulary), len(ANSWERS))


def load_answerer(
    run: RunFolder, device: str = "auto"
) -> tuple[Learner, VQAConfig, QuestionVocabulary]:
    """The trained network of a run, its configuration and its vocabulary.

    Raises:
        UserError: the run is not one of the question answerer, or has no checkpoint yet.
    """
    config = replace(run.config(VQAConfig), device=device)
    if Checkpointer(run.checkpoints).load() is None:
        raise UserError(
            f"{run.path} has no checkpoint yet; train it with --run {run.path} --resume"
        )
    vocabulary = QuestionVocabulary.load(run.path / "vocab.json")
    learner = fresh_learner(config, vocabulary)
    restore_trained(config, learner, run)
    learner.model.eval()
    return learner, config, vocabulary
