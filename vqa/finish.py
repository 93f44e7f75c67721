"""What happens when training is over: evaluation, baseline, pictures, summary."""

import time
from typing import Any

import torch

from film_rl.run import RunFolder, describe_device, read_origin
from vqa.baselines import train_baseline
from vqa.batches import FIRST
from vqa.config import VQAConfig
from vqa.consistency import consistency
from vqa.dataset import Dataset
from vqa.evaluation import answers_of, evaluate, other_images
from vqa.learner import Learner, accuracy, predict
from vqa.pictures import example_answers, learning_curve
from vqa.questions import ANSWERS
from vqa.systems import SYSTEMS
from vqa.systems.pg_ee import ProgramAnswerer
from vqa.tokens import QuestionVocabulary
from vqa.training import Split, restore_trained

EXAMPLES = 12


def finish(
    config: VQAConfig,
    run: RunFolder,
    learner: Learner,
    vocabulary: QuestionVocabulary,
    train_split: Split,
    held_out: tuple[Dataset, Split],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Evaluate on all held-out questions, train the baseline, draw; what summary.json says."""
    began = time.monotonic()
    dataset, split = held_out
    step = restore_trained(config, learner, run)
    figures, predicted = assess(learner, dataset, split)
    blind = None
    if config.baseline_steps:
        baseline = train_baseline(config, train_split.table, len(vocabulary), len(ANSWERS))
        unseen = torch.zeros(len(split.images), 3, 0, 0, dtype=torch.uint8)
        blind = accuracy(baseline, unseen, split.table)
    curve = learning_curve(run, f"CLEVR, {_title(config)}", blind)
    examples = example_answers(run.folder("plots") / "examples.png", *_examples(dataset, predicted))
    seconds = {**seconds, "evaluation and baseline": time.monotonic() - began}
    summary = {
        "accuracy": figures["overall"]["accuracy"],
        "questions": figures["overall"]["questions"],
        "images_swapped": figures["images_swapped"]["accuracy"],
        "question_only": blind,
        "most_frequent_answer": most_frequent(train_split, split),
        "steps": step,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "parameters": sum(p.numel() for p in learner.model.parameters()),
        "training_questions": len(train_split.table),
        "training_images": len(train_split.images),
        "precision": str(learner.precision).removeprefix("torch."),
        "device": describe_device(learner.device),
        "seed": config.seed,
        "start": read_origin(run),
        "evaluation": figures,
        "files": {
            "learning_curve": str(curve.relative_to(run.path)),
            "examples": str(examples.relative_to(run.path)),
        },
    }
    run.write_summary(summary)
    return summary


def assess(learner: Learner, dataset: Dataset, split: Split) -> tuple[dict[str, Any], list[str]]:
    """All figures of an evaluation, with consistency and swapped images, and the answers."""
    predicted = answers_of(predict(learner, split.images, split.table))
    scenes = dataset.scenes
    objects = [len(scenes[row]["objects"]) for row in dataset.rows.tolist()] if scenes else None
    figures = evaluate(dataset.questions, predicted, objects)
    figures["consistency"] = consistency(dataset.questions, predicted)
    swapped = None
    if len(split.table.images.unique()) > 1:
        swapped = accuracy(learner, split.images, other_images(split.table))
    figures["images_swapped"] = {"accuracy": swapped, "questions": len(predicted)}
    if isinstance(learner.model, ProgramAnswerer):
        figures["programs"] = learner.model.figures(split.table)
    return figures, predicted


def _title(config: VQAConfig) -> str:
    """The system's name, and how the question acts where that is not by FiLM."""
    title = SYSTEMS[config.system].title
    return title if config.conditioning == "film" else f"{title} ({config.conditioning})"


def most_frequent(train_split: Split, held_out: Split) -> float:
    """The accuracy of always giving the answer that is most frequent in training."""
    table = train_split.table
    answer = table.answers[table.stage != FIRST].bincount().argmax()
    return (held_out.table.answers == answer).float().mean().item()


def _examples(dataset: Dataset, predicted: list[str]) -> tuple[list[Any], ...]:
    """Questions of different images, spread over the data: pictures, texts and answers."""
    chosen = torch.linspace(0, len(predicted) - 1, min(EXAMPLES, len(predicted))).long().tolist()
    rows = dataset.rows.tolist()
    return (
        [dataset.images[rows[i]].permute(1, 2, 0).numpy() for i in chosen],
        [dataset.questions[i]["question"] for i in chosen],
        [predicted[i] for i in chosen],
        [dataset.questions[i]["answer"] for i in chosen],
    )
