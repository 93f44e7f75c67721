"""Pictures with maps over them: where features come from, and the way between two sentences.

Shapes: K steps, H W a map's height and width, A choices.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from film_rl.analysis.style import GREY, MARKERS, PALETTE, canvas, save, tidy
from film_rl.analysis.subject import Example

Maps = Mapping[str, NDArray[np.float64]]
MOST_LINES = 6
VISIBLE = 0.005  # probabilities below are not told from 0


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
        row[0].set_title(f"{fill(f'“{example.sentence}”', 33)}\n{answer}", fontsize=9)
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
    figure = canvas(title, note, max(9.0, 1.5 * (steps + 1)), 3.4 + 1.8 * example.aspect)
    grid = figure.add_gridspec(2, steps + 1, height_ratios=(1.6 * example.aspect, 2.4))
    t_K = np.linspace(0, 1, steps)
    alone = figure.add_subplot(grid[0, 0])
    _show(alone, example)
    alone.set_title("the picture", fontsize=10)
    most = float(maps_KHW.max()) or 1.0
    panels = [figure.add_subplot(grid[0, k + 1]) for k in range(steps)]
    for axes, t, map_HW in zip(panels, t_K, maps_KHW, strict=True):
        _show(axes, example)
        shown = _lay(axes, map_HW, most)
        axes.set_title(f"t = {t:.2f}", fontsize=10)
    bar = figure.colorbar(shown, ax=panels, fraction=0.02, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("share of maps", fontsize=8)
    axes = figure.add_subplot(grid[1, :])
    _probabilities(axes, t_K, probabilities_KA, choices)
    axes.set_xticks([0, 1], [f"t = 0\n“{fill(ends[0], 60)}”", f"t = 1\n“{fill(ends[1], 60)}”"])
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[1].set_horizontalalignment("right")
    return save(figure, path)


def _probabilities(
    axes: Axes, t_K: NDArray[np.float64], chances_KA: NDArray[np.float64], choices: Sequence[str]
) -> None:
    """A line a choice, those of the likeliest choices."""
    best = chances_KA.max(axis=0)
    shown = [choice for choice in best.argsort()[::-1][:MOST_LINES] if best[choice] >= VISIBLE]
    for choice, color, marker in zip(shown, PALETTE, MARKERS, strict=False):
        axes.plot(t_K, 100 * chances_KA[:, choice], color=color, marker=marker,
                  label=choices[choice])  # fmt: skip
    axes.set_ylabel("probability, %")
    axes.set_ylim(-3, 103)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    tidy(axes)


def _show(axes: Axes, example: Example) -> None:
    height, width = example.picture.shape[:2]
    axes.imshow(example.picture, aspect=example.aspect * width / height)
    axes.axis("off")


def _over(figure: Figure, axes: Axes, values_HW: NDArray[np.float64]) -> None:
    """A map over a picture that is there already, and its scale."""
    most = float(values_HW.max()) or 1.0
    shown = _lay(axes, values_HW, most)
    bar = figure.colorbar(shown, ax=axes, shrink=0.75, pad=0.02)
    bar.ax.tick_params(labelsize=7, color=GREY)


def _lay(axes: Axes, values_HW: NDArray[np.float64], most: float) -> AxesImage:
    """A map over the whole of the picture that is there already, its colours from 0 to `most`.

    Where the map is 0 the picture shows through most.
    """
    return axes.imshow(values_HW, cmap="magma", alpha=0.4 + 0.4 * values_HW / most, vmin=0,
                       vmax=most, extent=axes.images[0].get_extent(),
                       aspect=axes.get_aspect())  # fmt: skip
