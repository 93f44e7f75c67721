"""From a configuration to questions and images in tensors, read from a folder or made first."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from film_rl.run import RunFolder, UserError, choose_device, seed_everything
from vqa.batches import question_table
from vqa.config import VQAConfig
from vqa.dataset import Dataset, cache_folder, check_disjoint, open_folder
from vqa.errors import DataError
from vqa.features import Features, resnet101
from vqa.learner import Learner
from vqa.make_data import FIRST, made_folder, small_splits
from vqa.questions import ANSWERS
from vqa.tokens import QuestionVocabulary, tokenize
from vqa.training import Split, make_learner, restore_trained


def data_folder(config: VQAConfig) -> Path:
    """The official folder to train on: the one given, or one made now or earlier."""
    if config.data is not None:
        return Path(config.data)
    splits = small_splits(
        (config.train_split, config.train_images),
        (config.val_split, config.val_skip + config.val_images),
        size=config.image_size,
        max_objects=config.max_objects,
        per_image=config.per_image,
        easy_per_image=config.easy_per_image,
        first=_first_images(config),
        seed=config.seed,
    )
    return made_folder(Path(config.cache), splits, processes=os.cpu_count() or 1)


def features_for(config: VQAConfig) -> Features | None:
    """The pre-trained network whose features are the input; None where the input is pixels.

    Raises:
        UserError: torchvision or the weights are missing.
    """
    if config.inputs == "pixels":
        return None
    return Features(resnet101(config.feature_weights), choose_device(config.device))


def open_split(
    config: VQAConfig,
    root: Path,
    split: str,
    most_images: int,
    features: Features | None,
    *,
    skip: int = 0,
    with_scenes: bool = True,
) -> Dataset:
    """A split of an official folder at the network's image size, with features if they are input.

    Args:
        config: image size, cache and input.
        root: the folder.
        split: train, val, test, ...
        most_images: how many, those of lowest index; 0 are all of them.
        features: of `features_for`.
        skip: pass over so many images before those.
        with_scenes: read the scenes too; training does without.

    Raises:
        DataError: a file is missing or damaged.
        UserError: the features have other channels than the network is for.
    """
    size, cache = config.image_size, config.cache
    most = most_images or None
    dataset = open_folder(root, split, size, cache, most, skip=skip, with_scenes=with_scenes)
    if features is None:
        return dataset
    folder = cache_folder(root, split, size, cache)
    after = f"-after-{skip}" if skip else ""
    maps_NCHW = features.cached(dataset.images, folder.with_name(f"{folder.name}-features{after}"))
    if maps_NCHW.shape[1] != config.feature_channels:
        raise UserError(
            f"the features have {maps_NCHW.shape[1]} channels, not {config.feature_channels}; "
            f"type --feature-channels {maps_NCHW.shape[1]}"
        )
    return replace(dataset, features=maps_NCHW)


def training_data(
    config: VQAConfig, features: Features | None = None
) -> tuple[Dataset, Dataset, Dataset | None]:
    """What to train on, what is held out, and what the training begins with, or None.

    All is made first where no folder is given. Only such training has a beginning of its own:
    images of one or two objects.

    Args:
        config: the training run.
        features: the input's, if not those of `features_for`.

    Raises:
        DataError: a file is missing or damaged; the two share a picture.
    """
    root = data_folder(config)
    features = features or features_for(config)
    opened = partial(open_split, config, root, features=features)
    train = opened(config.train_split, config.train_images, with_scenes=False)
    val = opened(config.val_split, config.val_images, skip=config.val_skip)
    first = opened(FIRST, 0, with_scenes=False) if _first_images(config) else None
    if config.train_share < 1:
        train = train.share(config.train_share)
        first = first.share(config.train_share) if first else None
    check_disjoint(train, val)
    for each in (train, val):
        check_answered(each)
    return train, val, first


def held_out_data(config: VQAConfig, features: Features | None = None) -> Dataset:
    """What a training run holds out, alone."""
    root = data_folder(config)
    features = features or features_for(config)
    skip, most = config.val_skip, config.val_images
    dataset = open_split(config, root, config.val_split, most, features, skip=skip)
    check_answered(dataset)
    return dataset


def _first_images(config: VQAConfig) -> int:
    generated = config.data is None and config.first > 0
    return 3 * config.train_images // 10 if generated else 0


def check_answered(dataset: Dataset) -> None:
    """Refuse questions without answers, from which nothing can be learned or measured.

    Raises:
        DataError: the first of them.
    """
    for index, question in enumerate(dataset.questions):
        if "answer" not in question:
            raise DataError(
                f"{dataset.source}, question {index}: has no answer; training needs splits that "
                "have them, such as train and val"
            )


def unknown_words(dataset: Dataset, vocabulary: QuestionVocabulary) -> list[tuple[int, str]]:
    """The index of each question with a word the vocabulary lacks, and the first such word."""
    found = []
    for index, question in enumerate(dataset.questions):
        word = next((w for w in tokenize(question["question"]) if w not in vocabulary), None)
        if word is not None:
            found.append((index, word))
    return found


def vocabulary_of(dataset: Dataset) -> QuestionVocabulary:
    """The vocabulary of the questions."""
    return QuestionVocabulary.from_questions(q["question"] for q in dataset.questions)


def train_split(train: Dataset, first: Dataset | None, vocabulary: QuestionVocabulary) -> Split:
    """What to train on, as tensors, with what the training begins with."""
    split = to_split(train, vocabulary)
    return split.after(to_split(first, vocabulary)) if first else split


def to_split(dataset: Dataset, vocabulary: QuestionVocabulary) -> Split:
    """Input and questions as tensors; tokens that the vocabulary lacks are `<UNK>`."""
    tokens = vocabulary.encode_all(dataset.questions, dataset.source, allow_unknown=True)
    table = question_table(dataset.questions, tokens, dataset.rows.tolist(), ANSWERS)
    return Split(dataset.images if dataset.features is None else dataset.features, table)


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
    config, file = replace(run.config(VQAConfig), device=device), run.path / "vocab.json"
    if not file.is_file():  # it is written before the first checkpoint
        raise UserError(
            f"{run.path} has no vocab.json, and no checkpoint yet; train it with --run {run.path} "
            "--resume"
        )
    vocabulary = QuestionVocabulary.load(file)
    learner = fresh_learner(config, vocabulary)
    restore_trained(config, learner, run)
    learner.model.eval()
    return learner, config, vocabulary
