"""How generated questions differ from official ones, and how much of it chance explains.

Two sets of questions are compared trait by trait: by the shares of every value and by the total
variation distance, half the sum of the shares' absolute differences. A set of a thousand differs
from its own source too; so beside each distance stands the one that pairs of random samples, both
drawn from the generated shares and of the same sizes, stay below 95 times of 100.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from film_rl.run.files import read_json
from vqa.errors import DataError
from vqa.evaluation import COLUMNS, PUBLISHED
from vqa.families import FAMILIES, family_of
from vqa.parse import parse_question
from vqa.questions import Question, category, load_questions, question_type
from vqa.tokens import tokenize

PAIRS = 2000  # of random samples, for what chance gives
OFFICIAL, GENERATED, CHANCE = "official, %", "generated, %", "by chance, %"
LENGTHS: dict[str, Callable[[Question], int]] = {
    "tokens of a question": lambda q: len(tokenize(q["question"])),
    "functions of a program": lambda q: len(q["program"]),
}
TRAITS: dict[str, Callable[[Question], Any]] = LENGTHS | {
    "type": lambda q: question_type(q["program"]),
    "group of families": lambda q: FAMILIES[q["question_family_index"]].group,
    "family": lambda q: q["question_family_index"],
}
SUMMARIES: dict[str, Callable[[list[int]], float]] = {"mean": mean, "median": median, "most": max}
TABLES = dict(zip(TRAITS, ("tokens", "functions", "types", "groups", "families"), strict=True))

Figures = dict[str, dict[str, dict[str, Any]]]
"""Tables: of each its rows, of each row its columns."""


def read_questions(path: Path) -> list[Question]:
    """The questions of an official file, or of a bare JSON list of questions, of any length.

    Program and family of a question that comes without them are read from its English; where the
    list tells how many functions the program has (`program_length`), so many it must have.

    Raises:
        DataError: the file is damaged; a question has no answer, or no reading as CLEVR's.
    """
    try:
        with path.open(encoding="utf-8") as file:
            bare = file.read(1) == "["
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a file of questions") from None
    questions = []
    for index, question in enumerate(read_json(path) if bare else load_questions(path)):
        try:
            questions.append(_understood(question))
        except ValueError as error:
            raise DataError(f"{path}, question {index}: {error}") from None
    if not questions:
        raise DataError(f"{path} holds no question; expected one or more")
    return questions


def _understood(question: Any) -> Question:
    if not isinstance(question, dict) or not {"question", "answer"} <= question.keys():
        raise ValueError("expected a question with its answer; a test split has none")
    programs = [question["program"]] if "program" in question else None
    programs = programs or parse_question(question["question"])
    length = question.get("program_length")
    fitting = [p for p in programs if length in {None, len(p)}]
    if not fitting:
        raise ValueError(f"no reading has {length} functions, as the file says: {question!r:.200}")
    family = question.get("question_family_index", family_of(fitting[0]))
    if family is None:
        raise ValueError(f"it is of none of CLEVR's families: {question!r:.200}")
    return question | {"program": fitting[0], "question_family_index": family}


def compared(official: Sequence[Question], generated: Sequence[Question]) -> Figures:
    """Every table of the comparison; shares in percent, of each set's own questions."""
    sets = {"official": official, "generated": generated}
    common = min(map(len, sets.values()))
    numbers: dict[str, dict[str, Any]] = {"questions": {k: len(qs) for k, qs in sets.items()}}
    numbers[f"different texts among the first {common:,}"] = {
        name: len({q["question"] for q in questions[:common]}) for name, questions in sets.items()
    }
    numbers["families that occur"] = {
        name: len({q["question_family_index"] for q in qs}) for name, qs in sets.items()
    }
    for trait, measure in LENGTHS.items():
        lengths = {name: list(map(measure, questions)) for name, questions in sets.items()}
        for word, middle in SUMMARIES.items():
            numbers[f"{trait}, {word}"] = {n: round(middle(of), 1) for n, of in lengths.items()}
    figures = {"numbers": numbers, "distances": {}}
    for trait, of in TRAITS.items():
        counts = Counter(map(of, official)), Counter(map(of, generated))
        figures["distances"][trait] = distance(*counts)
        figures[TABLES[trait]] = dict(shares(*counts))
    figures["guesses"] = guesses(official, generated)
    return figures | answers(official, generated)


def shares(first: Counter[Any], second: Counter[Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Each value's share of both sets, and how far apart two such samples may be by chance.

    The last is 1.96 standard deviations of the difference, at the share in both sets together:
    95 differences of 100 are smaller.
    """
    for value in sorted({*first, *second}, key=_in_order):
        one, two = first[value] / first.total(), second[value] / second.total()
        both = (first[value] + second[value]) / (first.total() + second.total())
        spread = 1.96 * sqrt(both * (1 - both) * (1 / first.total() + 1 / second.total()))
        columns = (OFFICIAL, one), (GENERATED, two), (CHANCE, spread)
        yield str(value), {name: percent(share) for name, share in columns}


def answers(official: Sequence[Question], generated: Sequence[Question]) -> Figures:
    """Per question type the distance between the answers, and the share of every answer."""
    first, second = answers_by_type(official), answers_by_type(generated)
    distances: dict[str, dict[str, Any]] = {}
    of_answers: dict[str, dict[str, Any]] = {}
    for kind in sorted(first.keys() & second.keys()):
        counts = {"official": first[kind], "generated": second[kind]}
        numbers = {f"{name} questions": one.total() for name, one in counts.items()}
        distances[kind] = numbers | distance(*counts.values())
        for answer, row in shares(*counts.values()):
            of_answers[f"{kind}: {answer}"] = row
    return {"answers": distances, "answer_shares": of_answers}


def guesses(official: Sequence[Question], generated: Sequence[Question]) -> dict[str, Any]:
    """How often each type's most frequent answer is right, by the paper's categories, in percent.

    On CLEVR's whole test set that is the "Q-type baseline" of Perez et al. 2018, table 1, with the
    most frequent answers of the train set.
    """
    published = dict(zip(COLUMNS, PUBLISHED["Q-type baseline"], strict=True))
    sets = {OFFICIAL: official, GENERATED: generated}
    rows = {}
    for column in COLUMNS:
        row: dict[str, float | None] = {"CLEVR's test set, %": published[column]}
        for name, questions in sets.items():
            of_it = [q for q in questions if column in {"overall", category(q["program"])}]
            right = sum(max(counts.values()) for counts in answers_by_type(of_it).values())
            row[name] = percent(right / len(of_it)) if of_it else None
        rows[column] = row
    return rows


def answers_by_type(questions: Sequence[Question]) -> dict[str, Counter[str]]:
    """How often each answer is given to the questions of each type."""
    counts: dict[str, Counter[str]] = {}
    for question in questions:
        kind = question_type(question["program"])
        counts.setdefault(kind, Counter())[question["answer"]] += 1
    return counts


def distance(first: Counter[Any], second: Counter[Any]) -> dict[str, float]:
    """The total variation distance of two sets, and what chance alone stays below."""
    apart = total_variation(*(np.array(_shares(c, first | second)) for c in (first, second)))
    return {"apart, %": percent(float(apart)), CHANCE: percent(by_chance(first, second))}


def by_chance(first: Counter[Any], second: Counter[Any], seed: int = 0) -> float:
    """The distance that two samples of one distribution stay below 95 times of 100.

    The distribution is that of `second`; the samples are as large as `first` and `second`.
    """
    rng, source = np.random.default_rng(seed), _shares(second, second)
    sizes = first.total(), second.total()
    samples = (rng.multinomial(size, source, PAIRS) / size for size in sizes)
    return float(np.quantile(total_variation(*samples), 0.95))


def total_variation(first: Any, second: Any) -> Any:
    """Half the sum of absolute differences of shares (..., values)."""
    return np.abs(first - second).sum(-1) / 2


def _shares(counts: Counter[Any], values: Mapping[Any, Any]) -> list[float]:
    return [counts[value] / counts.total() for value in values]


def _in_order(value: int | str) -> tuple[int, str]:
    """Numbers by size, also those in words of digits; everything else by the alphabet."""
    text = str(value)
    return (int(text), "") if text.isdecimal() else (0, text)


def percent(share: float) -> float:
    """In percent, to a tenth."""
    return round(100 * share, 1)
