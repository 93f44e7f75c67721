"""Pictures of gamma and beta themselves: histograms, scatters, maps of sentences."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from film_rl.analysis.style import BLUE, GREY, ORANGE, canvas, legend_of, looks, save, tidy

IN_A_ROW = 3


def draw_statistics(path: Path, figures: Mapping[str, Any], title: str, note: str) -> Path:
    """Draw the histograms of `statistics`, a row a block; the PNG's path."""
    blocks = figures["blocks"]
    subtitle = f"{title} of {figures['conditions']:,} sentences; dashed: no change (1 and 0)"
    figure = canvas(subtitle, note, 11, 1.2 + 2.5 * len(blocks))
    grid = figure.subplots(len(blocks), 2, squeeze=False, sharex="col")
    for row, (name, block) in zip(grid, blocks.items(), strict=True):
        for axes, which, color, neutral in zip(
            row, ("gamma", "beta"), (BLUE, ORANGE), (1, 0), strict=True
        ):
            spread = block[which]
            _histogram(axes, spread, color, neutral)
            axes.set_title(
                f"{which} of {name}: {spread['negative']:.0%} negative, {spread['near_zero']:.0%} "
                f"within {figures['near_zero']} of 0, {spread['min']:.3g} to {spread['max']:.3g}",
                fontsize=10,
            )
    for axes, which in zip(grid[-1], ("gamma", "beta"), strict=True):
        axes.set_xlabel(f"{which}, of each sentence and feature map")
    return save(figure, path)


def _histogram(axes: Axes, spread: Mapping[str, Any], color: str, neutral: int) -> None:
    edges, counts = np.array(spread["histogram"]["edges"]), np.array(spread["histogram"]["counts"])
    shares = 100 * counts / counts.sum()
    axes.bar(edges[:-1], shares, width=np.diff(edges), align="edge", color=color)
    axes.axvline(neutral, color="black", linestyle="--", linewidth=1)
    axes.set_ylabel("share, %")
    tidy(axes)


def draw_scatter(
    path: Path, figures: Mapping[str, Any], title: str, labelled: str, note: str
) -> Path:
    """Draw gamma against beta of `scatter`, a panel a feature map; the PNG's path."""
    features, labels = figures["features"], figures["labels"]
    columns = min(IN_A_ROW, len(features))
    rows = -(-len(features) // columns)
    figure = canvas(title, note, max(6.5, 2 + 3.4 * columns), 1.2 + 3.1 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(features) :]:
        axes.axis("off")
    for axes, (feature, points) in zip(panels, features.items(), strict=False):
        axes.axvline(1, color=GREY, linestyle="--", linewidth=0.8)
        axes.axhline(0, color=GREY, linestyle="--", linewidth=0.8)
        _points(axes, np.array([points["gamma"], points["beta"]]).T, labels)
        axes.set_title(f"feature map {int(feature) + 1}", fontsize=11)
        axes.set_xlabel("gamma")
        axes.set_ylabel("beta")
        tidy(axes)
    legend_of(figure, labels, labelled)
    return save(figure, path)


def draw_projection(
    path: Path,
    maps: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, Sequence[str]],
    title: str,
    note: str,
) -> Path:
    """Draw maps of sentences, a column a block and a row a way to label them; the PNG's path.

    Args:
        path: the PNG.
        maps: of each block, its `projection`, with `same_label_nearby` of each label in `labels`.
        labels: the sentences' labels, by the name of a way to label them.
        title: of the picture.
        note: below it.
    """
    figure = canvas(title, "", 1.8 + 4.2 * len(maps), 1.4 + 4 * len(labels))
    figure.supxlabel(f"t-SNE's axes have no unit: who is near whom is what counts. {note}",
                     fontsize=9.5, color="#444444", wrap=True)  # fmt: skip
    grid = figure.subplots(len(labels), len(maps), squeeze=False)
    for row, (name, values) in zip(grid, labels.items(), strict=True):
        for axes, (block, found) in zip(row, maps.items(), strict=True):
            _points(axes, np.array(found["points"]), values)
            near = found["labels"][name]
            axes.set_title(
                f"{block}, by {name}: {near['nearby']:.0%} of the nearest\nhave the same {name} "
                f"(chance {near['chance']:.0%})",
                fontsize=10,
            )
            axes.set_xticks([])
            axes.set_yticks([])
        row[-1].legend(title=name, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False,
                       fontsize=9)  # fmt: skip
    return save(figure, path)


def _points(axes: Axes, points_B2: np.ndarray, labels: Sequence[str]) -> None:
    """Points in the looks of their labels; many are small."""
    size = 70 if len(labels) < 50 else 18
    of = np.array(labels)
    for label, (color, marker) in looks(labels).items():
        x, y = points_B2[of == label].T
        axes.scatter(x, y, s=size, color=color, marker=marker, edgecolor="#333333",
                     linewidth=0.4, alpha=0.85, label=label)  # fmt: skip
