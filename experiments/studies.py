"""What `analyze.py` can do: each study has figures, lines that say them, and pictures."""

from collections.abc import Callable
from pathlib import Path

from sentence_studies import study_arithmetic, study_interpolation
from study import NotHereError, Request, Study

from film_rl.analysis.draw_film import draw_projection, draw_scatter, draw_statistics
from film_rl.analysis.draw_interventions import draw_means, draw_noise, draw_switched_off
from film_rl.analysis.draw_where import draw_maps
from film_rl.analysis.interventions import maps_switched_off, mean_replacement, noise_curves
from film_rl.analysis.projection import FEWEST, projection, same_label_nearby
from film_rl.analysis.statistics import most_moved, scatter, statistics
from film_rl.analysis.subject import Subject, block_names
from film_rl.analysis.where import where

SCATTERED = 6  # feature maps


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
