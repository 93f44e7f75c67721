"""What `analyze.py` can do: each study has figures, lines that say them, and pictures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from film_rl.analysis.arithmetic import (
    Formula,
    analogies_found,
    combined,
    distances,
    parse_formula,
)
from film_rl.analysis.draw_film import draw_projection, draw_scatter, draw_statistics
from film_rl.analysis.draw_interventions import (
    draw_arithmetic,
    draw_means,
    draw_noise,
    draw_switched_off,
)
from film_rl.analysis.draw_where import draw_maps, draw_strip
from film_rl.analysis.interpolation import between
from film_rl.analysis.interventions import maps_switched_off, mean_replacement, noise_curves
from film_rl.analysis.projection import FEWEST, projection, same_label_nearby
from film_rl.analysis.statistics import most_moved, scatter, statistics
from film_rl.analysis.subject import Subject, block_names
from film_rl.analysis.where import where
from film_rl.film import FiLMParams, take

SCATTERED = 6  # feature maps
NEAREST = 10  # sentences
COMPARED = 32  # sentences among which the interpolation's second is chosen

Draw = Callable[[Path], list[Path]]


class NotHereError(Exception):
    """A study that this run does not allow; the message says why, and what to type."""


@dataclass(frozen=True)
class Study:
    """JSON figures, lines to print, and a function from a folder to the pictures drawn there."""

    figures: dict[str, Any]
    lines: Sequence[str]
    draw: Draw


@dataclass(frozen=True)
class Request:
    """What the user wants to see; see `analyze.Options`. Blocks and maps are counted from 1."""

    by: str | None = None
    block: int | None = None
    map: int | None = None
    between: tuple[str, str] | None = None
    steps: int = 9
    formula: str | None = None

    def check(self, subject: Subject) -> None:
        """Find what does not fit the network before anything runs; a ValueError."""
        names = block_names(subject.network)
        if self.block is not None and f"block {self.block}" not in names:
            raise ValueError(f"--block {self.block}; the network is steered in {', '.join(names)}")
        features = subject.film[self.place(subject)][0].shape[1]
        if self.map is not None and self.map > features:
            raise ValueError(f"--map {self.map}; expected 1 to {features}")
        if self.by is not None:
            subject.labels_by(self.by)
        if self.formula is not None:
            parsed = parse_formula(self.formula)
            subject.read([sentence for _, sentence in parsed.terms])
            subject.read([parsed.target] if parsed.target else [parsed.terms[0][1]])
        if self.between is not None:
            subject.read(self.between)

    def place(self, subject: Subject) -> int:
        """The block among the conditioned ones, counted from 0; the last where none is given."""
        names = block_names(subject.network)
        return len(names) - 1 if self.block is None else names.index(f"block {self.block}")

    def labels(self, subject: Subject) -> dict[str, Sequence[str]]:
        """The labels asked for, or all that tell sentences apart."""
        if self.by is not None:
            return {self.by: subject.labels_by(self.by)}
        told = {name: values for name, values in subject.labels.items() if len(set(values)) > 1}
        return told or {"sentence": ["all"] * len(subject.sentences)}


def study_statistics(subject: Subject, request: Request, note: str) -> Study:
    """Histograms of gamma and beta."""
    figures = statistics(subject.film, block_names(subject.network))
    lines = [
        f"{which}: {spread['negative']:.0%} negative, {spread['near_zero']:.0%} within "
        f"{figures['near_zero']} of 0, from {spread['min']:.3g} to {spread['max']:.3g}"
        for which, spread in figures["all"].items()
    ]
    title = "gamma and beta"
    return Study(
        figures, lines, lambda to: [draw_statistics(to / "statistics.png", figures, title, note)]
    )


def study_scatter(subject: Subject, request: Request, note: str) -> Study:
    """gamma against beta of one block's feature maps."""
    place = request.place(subject)
    pair, name = subject.film[place], block_names(subject.network)[place]
    chosen = most_moved(pair[0], SCATTERED) if request.map is None else [request.map - 1]
    by, labels = next(iter(request.labels(subject).items()))
    points = scatter(pair, chosen, labels)
    figures = {
        "block": name,
        "by": by,
        "sentences": list(subject.sentences),
        "labels": points["labels"],
        "maps": {feature + 1: found for feature, found in points["features"].items()},
    }
    why = "" if request.map else ": feature maps whose gamma moves most"
    title = f"gamma against beta in {name}{why}\na point a sentence; dashed: no change (1 and 0)"
    return Study(
        figures,
        [f"{name}, feature maps {', '.join(str(one + 1) for one in chosen)}, by {by}"],
        lambda to: [draw_scatter(to / "scatter.png", points, title, by, note)],
    )


def study_tsne(subject: Subject, request: Request, note: str) -> Study:
    """Maps of the sentences by the parameters of the first and of the last block."""
    if len(subject.sentences) < FEWEST:
        raise NotHereError(
            f"the run has {len(subject.sentences)} sentences, and a map needs {FEWEST}"
        )
    labels, names = request.labels(subject), block_names(subject.network)
    maps = {}
    for place in sorted({0, len(names) - 1}):
        pair = subject.film[place]
        near = {by: same_label_nearby(pair, values) for by, values in labels.items()}
        maps[names[place]] = {**projection(pair), "labels": near}
    lines = [
        f"{block}: of the nearest sentences {near['nearby']:.0%} have the same {by} "
        f"(chance {near['chance']:.0%})"
        for block, found in maps.items()
        for by, near in found["labels"].items()
    ]
    title = f"{len(subject.sentences):,} sentences by their gamma and beta (t-SNE)"
    figures = {"sentences": list(subject.sentences), "blocks": maps}
    figures["labels"] = {by: list(values) for by, values in labels.items()}
    return Study(
        figures, lines, lambda to: [draw_projection(to / "tsne.png", maps, labels, title, note)]
    )


def study_where(subject: Subject, request: Request, note: str) -> Study:
    """Where features come from, and what the scores depend on."""
    every = range(len(subject.examples))
    found = where(subject.parts, lambda: subject.scores(every, subject.shown))
    chances_BA = found.scores.softmax(dim=1).cpu()
    answers = []
    for example, chances_A in zip(subject.examples, chances_BA, strict=True):
        best = int(chances_A.argmax())
        truth = "" if example.truth is None else f" (true: {example.truth})"
        answers.append(f"{subject.choices[best]} {chances_A[best]:.0%}{truth}")
    kinds = {"winners": found.winners, "gradients": found.gradients}
    maps = {
        kind: [{name: maps_BHW[index].cpu().numpy() for name, maps_BHW in of.items()}
               for index in every]
        for kind, of in kinds.items()
    }  # fmt: skip
    rows = [
        {
            "sentence": example.sentence,
            "answer": answers[index],
            **{
                kind: {name: values.round(6).tolist() for name, values in of[index].items()}
                for kind, of in maps.items()
            },
        }
        for index, example in enumerate(subject.examples)
    ]
    texts = {
        "winners": ("where features come from", "A cell's number: the share of feature maps "
                    "whose largest value lies there."),
        "gradients": ("what the scores depend on", "A cell's number: the gradient of the summed "
                      "scores (before the softmax), root mean square over feature maps."),
    }  # fmt: skip

    def draw(to: Path) -> list[Path]:
        drawn = []
        for kind, (title, unit) in texts.items():
            path = to / ("where.png" if kind == "winners" else "gradients.png")
            of = maps[kind]
            remark = note if kind == "winners" else ""
            drawn.append(draw_maps(path, subject.examples, answers, of, title, unit, remark))
        return drawn

    lines = [
        f"“{one.sentence}” {says}" for one, says in zip(subject.examples, answers, strict=True)
    ]
    return Study({"examples": rows}, lines, draw)


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


def study_noise(subject: Subject, request: Request, note: str) -> Study:
    """Gaussian noise on gamma, beta, both."""
    figures = noise_curves(subject.network, subject.measure)
    lines = [f"without noise: {figures['plain']:.1%}"]
    for which in ("gamma", "beta", "both"):
        pairs = zip(figures["sizes"], figures[which], strict=True)
        lines.append(f"on {which}: " + ", ".join(f"{size:g}: {rate:.1%}" for size, rate in pairs))
    title = "noise on gamma and beta"
    drawn = (figures, title, subject.measured, note)
    return Study(
        {"measured": subject.measured, **figures},
        lines,
        lambda to: [draw_noise(to / "noise.png", *drawn)],
    )


def study_mean(subject: Subject, request: Request, note: str) -> Study:
    """gamma and beta at their means over sentences of the training."""
    figures = mean_replacement(subject.network, subject.measure, subject.training)
    plain = figures["plain"]
    lines = [f"as trained: {plain:.1%}"] + [
        f"{which} at the training's mean: {figures[which]:.1%} "
        f"({100 * (figures[which] - plain):+.1f} points)"
        for which in ("gamma", "beta", "both")
    ]
    drawn = (figures, "gamma and beta replaced by their training means", subject.measured, note)
    return Study(
        {"measured": subject.measured, **figures},
        lines,
        lambda to: [draw_means(to / "mean.png", *drawn)],
    )


def study_off(subject: Subject, request: Request, note: str) -> Study:
    """Single feature maps switched off, ranked by the harm."""
    names = block_names(subject.network)
    places = range(len(names)) if request.block is None else [request.place(subject)]
    maps = [
        (place, feature)
        for place in places
        for feature in range(subject.film[place][0].shape[1])
        if request.map is None or feature == request.map - 1
    ]
    found = maps_switched_off(subject.network, subject.measure, maps)
    lines = [f"as trained: {found['plain']:.1%}"] + [
        f"{names[row['block']]}, map {row['feature'] + 1} off: {row['measured']:.1%} "
        f"({100 * (row['measured'] - found['plain']):+.1f} points)"
        for row in found["maps"][:5]
    ]
    rows = [
        {"block": names[row["block"]], "map": row["feature"] + 1, "measured": row["measured"],
         "harm": row["harm"]}
        for row in found["maps"]
    ]  # fmt: skip
    drawn = (found, names, "single feature maps switched off", subject.measured, note)
    return Study(
        {"measured": subject.measured, "plain": found["plain"], "maps": rows},
        lines,
        lambda to: [draw_switched_off(to / "off.png", *drawn)],
    )


STUDIES: dict[str, Callable[[Subject, Request, str], Study]] = {
    "statistics": study_statistics,
    "scatter": study_scatter,
    "tsne": study_tsne,
    "where": study_where,
    "interpolation": study_interpolation,
    "arithmetic": study_arithmetic,
    "noise": study_noise,
    "mean": study_mean,
    "off": study_off,
}
