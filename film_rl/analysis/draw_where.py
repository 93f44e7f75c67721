"""Pictures with maps over them: where features come from, and the way between two sentences.

Shapes: K steps, H W a map's height and width, A choices.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from film_rl.analysis.style import GREY, MARKERS, PALETTE, canvas, save, tidy
from film_rl.analysis.subject import Example

Maps = Mapping[str, NDArray[np.float64]]
MOST_LINES = 6


def draw_maps(
    path: Path,
    examples: Sequence[Example],
    answers: Sequence[str],
    maps: Sequence[Maps],
    title: str,
    unit: str,
    note: str,
) -> Path:
    """Draw a row an example: its picture, and over it the map (H, W) of each part; the PNG's path.

    Args:
        path: the PNG.
        examples: what the maps are of.
        answers: what the network says to each.
        maps: of each example, by part; each map has a scale of its own, from 0 to its largest.
        title: of the picture.
        unit: what the maps' numbers are.
        note: below it.
    """
    columns = 1 + len(maps[0])
    tall = 0.8 + 2.2 * examples[0].aspect
    figure = canvas(title, f"{unit} {note}", 2.7 * columns, 1.2 + tall * len(examples))
    grid = figure.subplots(len(examples), columns, squeeze=False)
    for row, example, answer, of_parts in zip(grid, examples, answers, maps, strict=True):
        _show(row[0], example)
        row[0].set_title(fill(f"“{example.sentence}”", 34), fontsize=9)
        row[0].text(0.5, -0.04, fill(answer, 34), transform=row[0].transAxes, ha="center", va="top",
                    fontsize=9)  # fmt: skip
        for axes, (name, values_HW) in zip(row[1:], of_parts.items(), strict=True):
            _show(axes, example)
            _over(figure, axes, values_HW)
            axes.set_title(name, fontsize=10)
    return save(figure, path)


def draw_strip(
    path: Path,
    example: Example,
    ends: tuple[str, str],
    probabilities_KA: NDArray[np.float64],
    choices: Sequence[str],
    maps_KHW: NDArray[np.float64],
    title: str,
    note: str,
) -> Path:
    """Draw the way from one sentence to another: a map and all probabilities a step; the path.

    Args:
        path: the PNG.
        example: what both sentences are about.
        ends: the two sentences.
        probabilities_KA: of each choice at each step.
        choices: the choices' names.
        maps_KHW: where features come from at each step.
        title: of the picture.
        note: below it.
    """
    steps = len(maps_KHW)
    figure = canvas(title, note, max(9.0, 1.75 * steps), 5.6)
    grid = figure.add_gridspec(2, steps, height_ratios=(1, 1.3))
    t_K = np.linspace(0, 1, steps)
    most = maps_KHW.max()
    for k in range(steps):
        axes = figure.add_subplot(grid[0, k])
        _show(axes, example)
        axes.imshow(maps_KHW[k], cmap="magma", alpha=0.65, extent=_extent(example), vmin=0,
                    vmax=most or 1)  # fmt: skip
        axes.set_title(f"t = {t_K[k]:.2f}", fontsize=10)
    axes = figure.add_subplot(grid[1, :])
    shown = probabilities_KA.max(axis=0).argsort()[::-1][:MOST_LINES]
    for choice, color, marker in zip(shown, PALETTE, MARKERS, strict=False):
        percent_K = 100 * probabilities_KA[:, choice]
        axes.plot(t_K, percent_K, color=color, marker=marker, label=choices[choice])
    axes.set_ylabel("probability, %")
    axes.set_ylim(-3, 103)
    axes.set_xticks([0, 1], [f"t = 0\n“{ends[0]}”", f"t = 1\n“{ends[1]}”"])
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[1].set_horizontalalignment("right")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    tidy(axes)
    return save(figure, path)


def _show(axes: Axes, example: Example) -> None:
    height, width = example.picture.shape[:2]
    axes.imshow(example.picture, aspect=example.aspect * width / height)
    axes.axis("off")


def _extent(example: Example) -> tuple[float, float, float, float]:
    """Where a map lies over the picture: on all of it."""
    height, width = example.picture.shape[:2]
    return (-0.5, width - 0.5, height - 0.5, -0.5)


def _over(figure: Figure, axes: Axes, values_HW: NDArray[np.float64]) -> None:
    """A map over a picture that is there already, and its scale."""
    most = float(values_HW.max()) or 1.0
    image = axes.images[0]
    left, right, bottom, top = image.get_extent()
    aspect = axes.get_aspect()
    shown = axes.imshow(values_HW, cmap="magma", alpha=0.65, vmin=0, vmax=most,
                        extent=(left, right, bottom, top), aspect=aspect)  # fmt: skip
    bar = figure.colorbar(shown, ax=axes, shrink=0.75, pad=0.02)
    bar.ax.tick_params(labelsize=7, color=GREY)
