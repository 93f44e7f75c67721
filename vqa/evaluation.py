"""What a question answerer gets right: overall, and broken down in every way the field does.

Perez et al. 2018, table 1 (the five categories) and section 7.1 (counting errors by distance).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from vqa.batches import QuestionTable
from vqa.questions import ANSWERS, Question, category, question_type

# Accuracies in percent on CLEVR's test set, from Perez et al. 2018, table 1, but for SOURCES.
COLUMNS = (
    "overall", "count", "exist", "compare numbers", "query attribute", "compare attribute",
)  # fmt: skip
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "Human": (92.6, 86.7, 96.6, 86.5, 95.0, 96.0),
    "Q-type baseline": (41.8, 34.6, 50.2, 51.0, 36.0, 51.3),
    "LSTM": (46.8, 41.7, 61.1, 69.8, 36.8, 51.8),
    "CNN+LSTM": (52.3, 43.7, 65.2, 67.1, 49.3, 53.0),
    "CNN+LSTM+SA": (76.6, 64.4, 82.7, 77.4, 82.6, 75.4),
    "N2NMN": (83.7, 68.5, 85.7, 84.9, 90.0, 88.7),
    "PG+EE (9K prog.)": (88.6, 79.7, 89.7, 79.1, 92.6, 96.0),
    "PG+EE (700K prog.)": (96.9, 92.7, 97.1, 98.7, 98.1, 98.9),
    "CNN+LSTM+RN": (95.5, 90.1, 97.8, 93.6, 97.9, 97.1),
    "CNN+GRU+FiLM": (97.7, 94.3, 99.1, 96.8, 99.1, 99.1),
    "CNN+GRU+FiLM, pixels": (97.6, 94.3, 99.3, 93.4, 99.3, 99.3),
    "CNN+GRU+CBN": (97.6, None, None, None, None, None),
    "MAC": (98.9, 97.2, 99.5, 99.4, 99.3, 99.5),
    "DDRprog": (98.3, 96.5, 98.8, 98.4, 99.1, 99.0),
    "TbD, high resolution": (99.1, 97.6, 99.2, 99.4, 99.5, 99.6),
    "NS-CL": (98.9, 98.2, 98.8, 99.0, 99.3, 99.1),
    "MDETR": (99.7, 99.3, 99.9, 99.4, 99.9, 99.9),
}
SOURCES = {
    "CNN+GRU+CBN": "Perez et al. 2017, Learning Visual Reasoning Without Strong Priors, abstract",
    "MAC": "Hudson and Manning 2018, table 1",
    "DDRprog": "Mao et al. 2019, The Neuro-Symbolic Concept Learner, table 4",
    "TbD, high resolution": "Mao et al. 2019, The Neuro-Symbolic Concept Learner, table 4",
    "NS-CL": "Mao et al. 2019, The Neuro-Symbolic Concept Learner, table 4 (validation set)",
    "MDETR": "Kamath et al. 2021, the released code's clevr.md",
}

Row = dict[str, Any]


def evaluate(
    questions: Sequence[Question],
    predictions: Sequence[str],
    objects: Sequence[int | None] | None = None,
) -> dict[str, Any]:
    """Accuracies of predicted answers, each with the number of questions it is over.

    Args:
        questions: in the official form; breakdowns need `program` and `question_family_index`,
            and leave out the questions that have none.
        predictions: an answer per question.
        objects: how many objects each question's scene has; None where there is no scene.

    Returns:
        JSON: `overall`, and a dictionary of rows by each of `category`, `type`, `family`,
        `objects`, `program_length` and `question_length`; `counting_errors`.

    Raises:
        ValueError: a question has no answer, or the numbers of questions and answers differ.
    """
    unanswered = next((i for i, q in enumerate(questions) if "answer" not in q), None)
    if unanswered is not None:
        raise ValueError(
            f"question {unanswered} has no answer, as in a test split, so nothing can be scored; "
            "write the predictions instead (--predictions FILE)"
        )
    right = [q["answer"] == p for q, p in zip(questions, predictions, strict=True)]
    counts = [None] * len(questions) if objects is None else objects

    def by(key: Callable[[Question], Any]) -> dict[str, Row]:
        return _rows((key(q) if q.get("program") else None for q in questions), right)

    return {
        "overall": row(right),
        "category": by(lambda q: category(q["program"])),
        "type": by(lambda q: question_type(q["program"])),
        "family": _rows((q.get("question_family_index") for q in questions), right),
        "objects": _rows(counts, right),
        "program_length": by(lambda q: len(q["program"])),
        "question_length": _rows((len(q["question"].split()) for q in questions), right),
        "counting_errors": counting_errors(questions, predictions),
    }


def counting_errors(questions: Sequence[Question], predictions: Sequence[str]) -> dict[str, Any]:
    """How far wrong counts are off: the share of counting errors at each distance.

    `no number` is the share of answers such as "red" to "how many".
    """
    distances: Counter[str] = Counter()
    for question, predicted in zip(questions, predictions, strict=True):
        if question["answer"].isdecimal() and predicted != question["answer"]:
            number = predicted.isdecimal()
            off = abs(int(predicted) - int(question["answer"])) if number else "no number"
            distances[str(off)] += 1
    errors = distances.total()
    shares = {distance: distances[distance] / errors for distance in sorted(distances, key=_order)}
    return {"errors": errors, "by_distance": shares}


def other_images(table: QuestionTable, seed: int = 0) -> QuestionTable:
    """The same questions, each about another image: all images change places in a random cycle.

    What is still answered right then was answered without looking. Within three points of the
    question-only baseline is what an honest network gets.
    """
    generator = torch.Generator().manual_seed(seed)
    images = table.images.unique()
    cycle = images[torch.randperm(len(images), generator=generator)]
    moved_to = torch.zeros(int(images.max()) + 1, dtype=torch.int64)
    moved_to[cycle] = cycle.roll(1)
    return QuestionTable(**{**vars(table), "images": moved_to[table.images]})


def answers_of(probabilities_NA: torch.Tensor, answers: Sequence[str] = ANSWERS) -> list[str]:
    """The likeliest answer to each question."""
    return [answers[index] for index in probabilities_NA.argmax(dim=1).tolist()]


def table_rows(evaluation: dict[str, Any], name: str) -> list[tuple[str, tuple[float | None, ...]]]:
    """An evaluation as a row of the paper's table 1, in percent, after the published rows."""
    found = {"overall": evaluation["overall"], **evaluation["category"]}
    own = tuple(
        round(100 * found[column]["accuracy"], 1) if column in found else None for column in COLUMNS
    )
    return [*PUBLISHED.items(), (name, own)]


def _rows(keys: Iterable[Any], right: Sequence[bool]) -> dict[str, Row]:
    """One row per key, in the keys' own order; None is no key."""
    groups: dict[Any, list[bool]] = defaultdict(list)
    for key, one in zip(keys, right, strict=True):
        if key is not None:
            groups[key].append(one)
    return {str(key): row(groups[key]) for key in sorted(groups)}


def row(right: Sequence[bool]) -> Row:
    """The accuracy, None without questions, and the number of questions."""
    return {"accuracy": sum(right) / len(right) if right else None, "questions": len(right)}


def _order(distance: str) -> tuple[bool, int]:
    return not distance.isdecimal(), int(distance) if distance.isdecimal() else 0
