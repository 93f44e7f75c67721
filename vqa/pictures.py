"""Pictures of a run: the learning curve, example answers, where the network looked."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from film_rl.analysis.style import BLUE, GREY, VERMILLION, tidy
from film_rl.run import RunFolder
from film_rl.run.metrics import read_metrics
from vqa.batches import EASY, FIRST

SQUEEZED = 2 / 3  # CLEVR's pictures are 480x320; the network sees them square
Picture = NDArray[np.uint8]


def learning_curve(run: RunFolder, title: str, blind: float | None) -> Path:
    """Draw loss and accuracy over the steps, the question-only baseline beside; the PNG's path."""
    records = read_metrics(run.path)
    figure = Figure(figsize=(11, 4.5), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=14)
    left, right = figure.subplots(1, 2)

    def points(key: str) -> tuple[list[float], list[float]]:
        found = [record for record in records if key in record]
        return [record["step"] for record in found], [record[key] for record in found]

    left.plot(*points("train/loss"), color=BLUE)
    left.set_title("cross-entropy on training questions (nats)")
    right.plot(*points("train/accuracy"), color=BLUE, alpha=0.5, label="training batches")
    right.plot(*points("val/accuracy"), color=VERMILLION, marker="o", label="held-out images")
    if blind is not None:
        right.axhline(blind, color=GREY, linestyle="--", label="question-only LSTM, held out")
    right.set_title("accuracy")
    right.set_ylim(0, 1)
    stages = {
        name: [record["step"] for record in records if record.get("train/stage") == stage]
        for stage, name in ((FIRST, "one or two objects"), (EASY, "easy questions only"))
    }
    for axes in (left, right):
        start = 0
        for (name, steps), alpha in zip(stages.items(), (0.3, 0.15), strict=True):
            if steps:
                axes.axvspan(start, max(steps), color=GREY, alpha=alpha, lw=0, label=name)
                start = max(steps)
        axes.set_xlabel("gradient steps")
        tidy(axes)
    right.legend(frameon=False, loc="lower right")
    path = run.folder("plots") / "learning_curve.png"
    figure.savefig(path)
    return path


def example_answers(
    path: Path,
    pictures: Sequence[Picture],
    questions: Sequence[str],
    predicted: Sequence[str],
    true: Sequence[str],
) -> Path:
    """Draw pictures (H, W, 3), four in a row, each with a question and the answer given."""
    down = -(-len(pictures) // 4)
    figure = Figure(figsize=(12, 3.6 * down), dpi=80, layout="constrained")
    grid = list(figure.subplots(down, 4, squeeze=False).flat)
    for axes in grid:
        axes.axis("off")
    for axes, picture, question, given, right in zip(
        grid, pictures, questions, predicted, true, strict=False
    ):
        axes.imshow(picture, aspect=SQUEEZED * picture.shape[1] / picture.shape[0])
        verdict = f"{given} (right)" if given == right else f"{given} (true: {right})"
        color = BLUE if given == right else VERMILLION
        axes.set_title(f"{fill(question, 38)}\n", fontsize=9)
        axes.text(0.5, 1.01, verdict, color=color, ha="center", va="bottom", fontsize=11,
                  transform=axes.transAxes)  # fmt: skip
    figure.savefig(path)
    return path


def looked_at(
    path: Path, picture: Picture, question: str, answer: str, maps: dict[str, NDArray[np.float32]]
) -> Path:
    """Draw a picture and over it each map (H, W) of `vqa.attention.look`; the PNG's path."""
    figure = Figure(figsize=(3 * (len(maps) + 1), 3.8), dpi=100, layout="constrained")
    figure.suptitle(f"{question}  {answer}", fontsize=12, wrap=True)
    first, *others = figure.subplots(1, len(maps) + 1)
    _show(first, picture, "image")
    height, width = picture.shape[:2]
    for axes, (name, values) in zip(others, maps.items(), strict=True):
        _show(axes, picture, name)
        axes.imshow(
            values,
            cmap="magma",
            alpha=0.65,
            interpolation="bilinear",
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        )
    figure.savefig(path)
    return path


def _show(axes: Axes, picture: Picture, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=10)
    axes.axis("off")
