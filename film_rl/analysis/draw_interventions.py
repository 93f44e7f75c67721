"""Pictures of what changes to gamma and beta do: noise, means, maps switched off, sums."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill, shorten
from typing import Any

import numpy as np

from film_rl.analysis.style import BLUE, GREEN, GREY, MARKERS, ORANGE, PALETTE, canvas, save, tidy

LOOKS = {"gamma": (BLUE, "o"), "beta": (ORANGE, "s"), "both": (GREEN, "^")}
NAMED_MAPS = 20
VISIBLE = 0.5  # percent
WIDE = 36  # characters of a line
FEWEST_BARS = 8  # fewer are not drawn thicker


def draw_noise(
    path: Path, figures: Mapping[str, Any], title: str, measured: str, note: str
) -> Path:
    """Draw the curves of `noise_curves`; the PNG's path."""
    figure = canvas(title, note, 8, 5)
    axes = figure.subplots()
    for which, (color, marker) in LOOKS.items():
        axes.plot(figures["sizes"], [100 * value for value in figures[which]], color=color,
                  marker=marker, label=f"noise on {which}")  # fmt: skip
    axes.axhline(100 * figures["plain"], color=GREY, linestyle="--", label="without noise")
    axes.set_xlabel("standard deviation of the Gaussian noise, in units of gamma and beta")
    axes.set_ylabel(f"{measured}, %")
    axes.set_ylim(0, 102)
    axes.legend(frameon=False)
    tidy(axes)
    return save(figure, path)


def draw_means(
    path: Path, figures: Mapping[str, float], title: str, measured: str, note: str
) -> Path:
    """Draw what `mean_replacement` found as bars; the PNG's path."""
    names = {"plain": "as trained", "gamma": "gamma at its mean", "beta": "beta at its mean",
             "both": "both at their means"}  # fmt: skip
    figure = canvas(title, note, 8, 4.6)
    axes = figure.subplots()
    colors = [GREY, *(LOOKS[which][0] for which in ("gamma", "beta", "both"))]
    heights = [100 * figures[which] for which in names]
    bars = axes.bar(list(names.values()), heights, color=colors)
    texts = [f"{height:.1f}%" for height in heights]
    for index, which in enumerate(("gamma", "beta", "both"), start=1):
        texts[index] += f"\n({100 * (figures[which] - figures['plain']):+.1f} points)"
    axes.bar_label(bars, texts, padding=2)
    axes.set_ylabel(f"{measured}, %")
    axes.set_ylim(0, 118)
    axes.set_yticks(range(0, 101, 20))
    tidy(axes)
    return save(figure, path)


def draw_switched_off(
    path: Path,
    figures: Mapping[str, Any],
    blocks: Sequence[str],
    title: str,
    measured: str,
    note: str,
) -> Path:
    """Draw the harm that each map of `maps_switched_off` does, ranked, by block; the PNG's path."""
    rows = figures["maps"]
    harmful = sum(row["harm"] > 0 for row in rows)
    subtitle = f"{title}: {harmful} of {len(rows)} do harm\nas trained: {figures['plain']:.1%}"
    figure = canvas(f"{subtitle} {measured}", note, 11, 5.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    for block, name in enumerate(blocks):
        harms = sorted((100 * row["harm"] for row in rows if row["block"] == block), reverse=True)
        if harms:
            color, marker = PALETTE[block % len(PALETTE)], MARKERS[block % len(MARKERS)]
            left.plot(range(1, len(harms) + 1), harms, color=color, marker=marker, markersize=4,
                      label=name)  # fmt: skip
    left.set_xlabel("feature maps of the block, the most harmful first")
    left.set_ylabel("loss when it is switched off, points")
    left.legend(frameon=False)
    worst = rows[: max(1, min(NAMED_MAPS, harmful))]
    names = [f"{blocks[row['block']]}, map {row['feature'] + 1}" for row in worst]
    colors = [PALETTE[row["block"] % len(PALETTE)] for row in worst]
    right.barh(names, [100 * row["harm"] for row in worst], color=colors)
    right.set_ylim(max(len(worst), FEWEST_BARS) - 0.4, -0.6)
    right.tick_params(axis="y", labelsize=8)
    right.set_xlabel("loss, points")
    right.set_title("those that matter most", fontsize=11)
    for axes in (left, right):
        tidy(axes)
    return save(figure, path)


def draw_arithmetic(
    path: Path,
    rows: Mapping[str, Sequence[float]],
    choices: Sequence[str],
    distances: Sequence[tuple[str, float]],
    title: str,
    note: str,
) -> Path:
    """Draw what the network says under sums of sentences, and which sentences are nearest; path.

    Args:
        path: the PNG.
        rows: probabilities of the choices (A,) under each sentence and the sum.
        choices: their names.
        distances: the sentences nearest to the sum and their distances, the nearest first.
        title: of the picture.
        note: below it.
    """
    figure = canvas(title, note, 13, 1.8 + 0.62 * max(len(rows), 6))
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    table = 100 * np.array(list(rows.values()))
    shown = [choice for choice in range(len(choices)) if table[:, choice].max() >= VISIBLE]
    image = left.imshow(table[:, shown], cmap="cividis", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(len(rows), len(shown)):
        value = table[row, shown[column]]
        left.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9,
                  color="black" if value > 50 else "white")  # fmt: skip
    left.set_xticks(range(len(shown)), [choices[choice] for choice in shown])
    left.set_yticks(range(len(rows)), [fill(name, WIDE) for name in rows], fontsize=9)
    left.set_title("probability, %", fontsize=11)
    figure.colorbar(image, ax=left, shrink=0.8)
    right.barh(range(len(distances)), [value for _, value in distances], color=BLUE)
    names = [shorten(name, 2 * WIDE - 8, placeholder=" ...") for name, _ in distances]
    right.set_yticks(range(len(distances)), [fill(name, WIDE) for name in names], fontsize=8)
    right.invert_yaxis()
    right.set_xlabel("distance in (gamma, beta) of all blocks")
    right.set_title("the sentences nearest to the sum", fontsize=11)
    tidy(right)
    return save(figure, path)
