"""Studies of sentences between sentences: from one to another, and sums of them."""

from collections.abc import Iterable
from typing import Any

import torch
from study import NotHereError, Request, Study

from film_rl.analysis.arithmetic import (
    Formula,
    analogies_found,
    combined,
    distances,
    parse_formula,
)
from film_rl.analysis.draw_interventions import draw_arithmetic
from film_rl.analysis.draw_where import draw_strip
from film_rl.analysis.interpolation import between
from film_rl.analysis.subject import Subject
from film_rl.analysis.where import where
from film_rl.film import FiLMParams, take

NEAREST = 10  # sentences
COMPARED = 32  # sentences among which the interpolation's second is chosen


def study_interpolation(subject: Subject, request: Request, note: str) -> Study:
    """From one sentence to another, about an example."""
    index, ends = _ends(subject, request)
    start, end = (take(subject.read(ends), torch.tensor([row])) for row in (0, 1))
    way = between(start, end, request.steps)
    found = where(subject.parts, lambda: subject.scores([index] * request.steps, way))
    chances_KA = found.scores.softmax(dim=1).double().cpu().numpy()
    part = list(found.winners)[-1]
    maps_KHW = found.winners[part].double().cpu().numpy()
    example = subject.examples[index]
    figures = {
        "between": list(ends),
        "example": example.sentence,
        "t": torch.linspace(0, 1, request.steps).tolist(),
        "choices": list(subject.choices),
        "probabilities": chances_KA.round(6).tolist(),
        "part": part,
        "winners": maps_KHW.round(6).tolist(),
    }
    lines = [
        f"t = {t:.2f}: {subject.choices[row.argmax()]} {row.max():.0%}"
        for t, row in zip(figures["t"], chances_KA, strict=True)
    ]
    title = f"from one sentence to another; above: where features come from ({part})"
    strip = (example, ends, chances_KA, subject.choices, maps_KHW, title, note)
    return Study(figures, lines, lambda to: [draw_strip(to / "interpolation.png", *strip)])


def _ends(subject: Subject, request: Request) -> tuple[int, tuple[str, str]]:
    """An example and two sentences: those typed, or its own and the one that changes most."""
    if request.between is not None:
        return 0, request.between
    others = list(dict.fromkeys([*(one.sentence for one in subject.examples), *subject.sentences]))
    if len(others) < 2:
        raise NotHereError('the run has one sentence only; type two, --between "A" "B"')
    film_params, most = subject.read(others[:COMPARED]), (-1.0, 0, (others[0], others[1]))
    for index, example in enumerate(subject.examples):
        chances_SA = _chances(subject, film_params, index)
        own_A = chances_SA[others.index(example.sentence)]
        moved_S = (chances_SA - own_A).abs().sum(dim=1)
        other = int(moved_S.argmax())
        most = max(most, (moved_S[other].item(), index, (example.sentence, others[other])))
    return most[1:]


def study_arithmetic(subject: Subject, request: Request, note: str) -> Study:
    """A sum of sentences: what it is near to, what it makes the network say."""
    formula, film_of = _formula(subject, request)
    total = combined([(sign, film_of[one]) for sign, one in formula.terms])
    shown = [one.sentence for one in subject.examples]
    if formula.target in shown:
        index = shown.index(formula.target)
    else:
        index = _telling(subject, film_of.values())
    said = {
        one: _chances(subject, film_params, index)[0].tolist()
        for one, film_params in [*film_of.items(), ("the sum", total)]
    }
    far = dict(zip(subject.sentences, distances(total, subject.film).tolist(), strict=True))
    far |= {one: distances(total, film_params).item() for one, film_params in film_of.items()}
    nearest = sorted(far.items(), key=lambda item: item[1])
    figures: dict[str, Any] = {
        "formula": str(formula),
        "example": shown[index],
        "probabilities": {
            one: dict(zip(subject.choices, chances, strict=True)) for one, chances in said.items()
        },
        "nearest": [{"sentence": one, "distance": value} for one, value in nearest[:NEAREST]],
        "analogies": _analogies(subject),
    }
    lines = [str(formula), f"nearest to the sum: “{nearest[0][0]}”"]
    if formula.target:
        figures["rank_of_target"] = 1 + [one for one, _ in nearest].index(formula.target)
        lines.append(f"the target is number {figures['rank_of_target']} of {len(nearest):,}")
    if found := figures["analogies"]:
        lines.append(f"of all {found['analogies']} such sums {found['nearest']:.0%} are nearest to "
                     f"their target (chance {found['chance']:.0%})")  # fmt: skip
    title = f"{formula}\nprobabilities: about the picture of “{shown[index]}”"
    drawn = (said, subject.choices, nearest[:NEAREST], title, note)
    return Study(figures, lines, lambda to: [draw_arithmetic(to / "arithmetic.png", *drawn)])


def _telling(subject: Subject, said: Iterable[FiLMParams]) -> int:
    """The example about which these sentences, one each, make the network say most differently."""
    sentences = list(said)

    def spread(index: int) -> float:
        chances_SA = torch.cat([_chances(subject, one, index) for one in sentences])
        return float(chances_SA.std(dim=0, unbiased=False).sum())

    return max(range(len(subject.examples)), key=spread)


def _formula(subject: Subject, request: Request) -> tuple[Formula, dict[str, FiLMParams]]:
    """The sum that was typed, or the run's own, and what each of its sentences steers with."""
    text = request.formula or subject.formula
    if text is None:
        raise NotHereError(
            'none of the run\'s sentences is a sum of others; type one, --formula "A + B - C = D"'
        )
    formula = parse_formula(text)
    sentences = [one for _, one in formula.terms] + [formula.target] * bool(formula.target)
    try:
        return formula, {one: subject.read([one]) for one in sentences if one}
    except ValueError as error:
        raise NotHereError(f'{error}; type a sum, --formula "A + B - C = D"') from None


def _chances(subject: Subject, film_params: FiLMParams, index: int) -> torch.Tensor:
    """The probabilities (S, A) of the choices about one example, under S sentences."""
    S = len(film_params[0][0])
    with torch.no_grad():
        return subject.scores([index] * S, film_params).softmax(dim=1).double().cpu()


def _analogies(subject: Subject) -> dict[str, float] | None:
    """How often sums find their targets; None where the labels do not name each sentence."""
    told = [values for values in subject.labels.values() if len(set(values)) > 1]
    try:
        return analogies_found(subject.film, *told) if len(told) == 2 else None
    except ValueError:
        return None
