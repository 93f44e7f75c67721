"""Zero-shot by arithmetic: film(q) := film(q1) + film(q2) - film(q3), for gamma and beta alike.

Trained on CoGenT's condition A a network never sees a cyan cube, but cyan things and cubes. The
parameters for "How many cyan cubes?" are put together from those for questions about what it has
seen: "How many cyan spheres?" + "How many brown cubes?" - "How many brown spheres?".

Perez et al. 2018, section 4.5 and figure 10. How the three are chosen is not said there; here:

1. A pair of colour and shape is unseen where no object of A has both. A phrase of the question, one
   description in the program that the parser reads, offends if it names an unseen pair.
2. q1 has the shape of every offending phrase changed, q2 the colour, q3 both; all else stays as it
   is, to the letter. Several offending phrases are changed together: if what a phrase adds to gamma
   and beta is a sum over its words, the result is exact for any number of them.
3. The other shape is the sphere: no other one has both colours in A.
4. The other colour is the first, in CLEVR's order, of those that A gives the shape and that the
   question does not name. The same pair gets the same one; another colour of the same shape gets
   another, so that phrases which differ go on to differ.
5. The rule does not apply to a question that the parser cannot read, that has no offending phrase,
   for which no colour is left, or of which a changed text would be read otherwise than meant.

Shapes: Q questions, A answers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from film_rl.analysis.arithmetic import analogy
from film_rl.run import UserError, autocast
from vqa.batches import batch_of, question_table
from vqa.dataset import Dataset
from vqa.evaluation import answers_of, row
from vqa.learner import ANSWERED_AT_ONCE, Learner, predict
from vqa.model import QuestionAnswerer, to_input
from vqa.parse import parse_question
from vqa.prepare import to_split
from vqa.questions import ANSWERS, question_type
from vqa.scene_generator import permitted_looks
from vqa.scenes import COLORS, SHAPES
from vqa.terms import Term, to_program, to_term
from vqa.tokens import QuestionVocabulary
from vqa.words import ADJECTIVES, NOUNS

Pair = tuple[str, str]  # colour and shape

SEEN = {(look["color"], look["shape"]) for look in permitted_looks("A")}
UNSEEN = {(color, shape) for color in COLORS for shape in SHAPES} - SEEN
OTHER_SHAPE = "sphere"

_COLOR = 1  # the colour's place in a description: size, color, material, shape
_SHAPES = {f"{word}{s}": (shape, s) for shape in SHAPES for word in NOUNS[shape] for s in ("", "s")}


class Related(NamedTuple):
    """The questions whose parameters make up another's: `shape` + `color` - `both` changed."""

    shape: str
    color: str
    both: str


@dataclass(frozen=True)
class Choice:
    """What the rule says of a question: its offending pairs, and the three, if it applies."""

    unseen: tuple[Pair, ...]
    related: Related | None


def choose(question: str) -> Choice:
    """Apply the rule (above) to a question.

    Raises:
        ValueError: the parser cannot read it.
    """
    program = parse_question(question)[0]
    term = to_term(program)
    unseen = tuple(dict.fromkeys(pair for pair in pairs(term) if pair in UNSEEN))
    colors = _other_colors(unseen, _named_colors(term))
    if not unseen or colors is None:
        return Choice(unseen, None)
    changes: list[dict[Pair, Pair]] = [
        {(color, shape): (color, OTHER_SHAPE) for color, shape in unseen},
        {(color, shape): (colors[color, shape], shape) for color, shape in unseen},
        {(color, shape): (colors[color, shape], OTHER_SHAPE) for color, shape in unseen},
    ]
    texts = [_rewritten(question, change) for change in changes]
    for text, change in zip(texts, changes, strict=True):
        if parse_question(text)[0] != to_program(_changed(term, change)):
            return Choice(unseen, None)
    return Choice(unseen, Related(*texts))


def pairs(term: Term) -> list[Pair]:
    """The colour and shape of each description that names both, in the order of the term."""
    found = []
    if term[0] == "filter" and term[1][_COLOR] and term[1][-1]:
        found.append((term[1][_COLOR], term[1][-1]))
    return found + [pair for part in _inner(term) for pair in pairs(part)]


def figures(learner: Learner, dataset: Dataset, vocabulary: QuestionVocabulary) -> dict[str, Any]:
    """Accuracy before and after the arithmetic, where the rule applies and overall.

    Returns:
        JSON: how many `questions` there are, are `unreadable`, have an `unseen` pair and have
        `several`; `share`, of all questions, that the rule `applies` to; rows `before` and `after`
        on that share, by its question types and overall; some `examples`.

    Raises:
        UserError: the network has no FiLM parameters.
    """
    questions = dataset.questions
    chosen = [_chosen(question["question"]) for question in questions]
    some = {i: choice.related for i, choice in enumerate(chosen) if choice and choice.related}
    split = to_split(dataset, vocabulary)
    before = answers_of(predict(learner, split.images, split.table))
    after = list(before)
    if some:
        changed = answers_of(predict_by_arithmetic(learner, dataset, vocabulary, some))
        for index, answer in zip(some, changed, strict=True):
            after[index] = answer
    right = [
        [given == question["answer"] for given, question in zip(answers, questions, strict=True)]
        for answers in (before, after)
    ]

    def both(indices: Sequence[int]) -> dict[str, Any]:
        rows = [row([each[index] for index in indices]) for each in right]
        return dict(zip(("before", "after"), rows, strict=True))

    by_type: dict[str, list[int]] = {}
    for index in some:
        program = questions[index].get("program") or parse_question(questions[index]["question"])[0]
        by_type.setdefault(question_type(program), []).append(index)
    return {
        "questions": len(questions),
        "unreadable": chosen.count(None),
        "unseen": sum(bool(choice and choice.unseen) for choice in chosen),
        "several": sum(bool(choice and len(choice.unseen) > 1) for choice in chosen),
        "applies": len(some),
        "share": len(some) / len(questions),
        "where_it_applies": both(list(some)),
        "overall": both(range(len(questions))),
        "by_type": {kind: both(indices) for kind, indices in sorted(by_type.items())},
        "examples": [[questions[index]["question"], *some[index]] for index in list(some)[:5]],
    }


@torch.inference_mode()
def predict_by_arithmetic(
    learner: Learner,
    dataset: Dataset,
    vocabulary: QuestionVocabulary,
    related: Mapping[int, Related],
) -> Tensor:
    """The probability of each answer, (Q, A), by the parameters of three other questions.

    Args:
        learner: of a FiLM-ed network.
        dataset: whose questions are asked.
        vocabulary: of the network.
        related: by the number of each question that is asked, the three.

    Raises:
        UserError: the network has no FiLM parameters.
    """
    model = check_film(learner)
    model.eval()
    split, indices = to_split(dataset, vocabulary), list(related)
    tables = []
    for which in range(3):
        asked = [{"question": related[index][which]} for index in indices]
        tokens = vocabulary.encode_all(asked, dataset.source, allow_unknown=True)
        rows = [int(dataset.rows[index]) for index in indices]
        tables.append(question_table(asked, tokens, rows, ANSWERS))
    parts = []
    for index_Q in torch.arange(len(indices)).split(ANSWERED_AT_ONCE):
        batches = [batch_of(split.images, table, index_Q) for table in tables]
        with autocast(learner.device, learner.precision):
            film_params = analogy(
                *(model.condition(b.tokens.to(learner.device), b.lengths) for b in batches)
            )
            images_BCHW = to_input(batches[0].images, learner.device)
            rows_Q = batches[0].rows.to(learner.device)
            logits_QA = model.answer(images_BCHW, film_params, rows_Q)
        parts.append(logits_QA.float().softmax(dim=1).cpu())
    return torch.cat(parts)


def check_film(learner: Learner) -> QuestionAnswerer:
    """The network, which has FiLM parameters.

    Raises:
        UserError: it has none.
    """
    model = learner.model
    if not isinstance(model, QuestionAnswerer) or model.network.generator is None:
        raise UserError(
            f"arithmetic needs a network with FiLM parameters, and this {type(model).__name__} has "
            "none; train one with --conditioning film"
        )
    return model


def _chosen(question: str) -> Choice | None:
    try:
        return choose(question)
    except ValueError:
        return None


def _other_colors(unseen: Sequence[Pair], named: set[str]) -> dict[Pair, str] | None:
    """For each unseen pair another colour; None where one has none left."""
    taken, chosen = set(named), {}
    for pair in unseen:
        left = [color for color in COLORS if (color, pair[1]) in SEEN and color not in taken]
        if not left:
            return None
        chosen[pair] = left[0]
        taken.add(left[0])
    return chosen


def _named_colors(term: Term) -> set[str]:
    own = {term[1][_COLOR]} if term[0] == "filter" else set()
    return own.union(*map(_named_colors, _inner(term))) - {None}


def _inner(term: Term) -> list[Term]:
    """The terms that are arguments of a term."""
    arguments = term[2:] if term[0] in {"filter", "relate"} else term[1:]
    return list(arguments)


def _changed(term: Term, change: Mapping[Pair, Pair]) -> Term:
    """The term with pairs of its descriptions changed."""
    parts = tuple(_changed(part, change) for part in _inner(term))
    head = term[: len(term) - len(parts)]
    if term[0] == "filter":
        size, color, material, shape = term[1]
        color, shape = change.get((color, shape), (color, shape))
        head = ("filter", (size, color, material, shape))
    return (*head, *parts)


def _rewritten(question: str, change: Mapping[Pair, Pair]) -> str:
    """The question's text with pairs of its phrases changed, all else to the letter."""
    pieces = re.split(r"([A-Za-z]+)", question)  # words at the odd places
    color_at: int | None = None
    for place in range(1, len(pieces), 2):
        word = pieces[place].lower()
        if word in ADJECTIVES and not pieces[place + 1].strip():
            color_at = place if ADJECTIVES[word][0] == _COLOR else color_at
            continue
        shape, plural = _SHAPES.get(word, ("", ""))
        if color_at is not None and (pair := (pieces[color_at].lower(), shape)) in change:
            color, shape = change[pair]
            pieces[color_at] = color
            if shape != pair[1]:
                pieces[place] = f"{shape}{plural}"
        color_at = None
    return "".join(pieces)
