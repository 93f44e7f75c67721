"""Pairs of horizontal bars in percent: what is, and what it is compared with, a pair a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from film_rl.analysis.style import BLACK, VERMILLION, tidy


@dataclass(frozen=True)
class Bars:
    """One bar of each row.

    Attributes:
        name: what the legend calls them.
        color: theirs.
        shares: from 0 to 1, a row each; 0 is drawn where there is none.
        intervals: 95% intervals of the shares, or none.
        published: in percent, a line across the first one.
    """

    name: str
    color: str
    shares: Sequence[float | None]
    intervals: Sequence[tuple[float, float]] = ()
    published: float | None = None


def draw(title: str, rows: Sequence[str], pair: tuple[Bars, Bars], axis: str, path: Path) -> Path:
    """Write the PNG; its path.

    Args:
        title: above.
        rows: what the rows are called, from above to below.
        pair: the upper and the lower bar of each row.
        axis: what is in percent.
        path: of the PNG.
    """
    figure = Figure(figsize=(8, 0.55 * len(rows) + 1.9), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots()
    for shift, bars in zip((-0.2, 0.2), pair, strict=True):
        places = [place + shift for place in range(len(rows))]
        percents = [100 * (share or 0) for share in bars.shares]
        axes.barh(places, percents, 0.38, color=bars.color, label=bars.name)
        if bars.intervals:
            ends = list(zip(percents, bars.intervals, strict=True))
            # An end at 100% itself may lie a rounding error inside.
            below = [max(0.0, here - 100 * low) for here, (low, _) in ends]
            above = [max(0.0, 100 * high - here) for here, (_, high) in ends]
            axes.errorbar(percents, places, xerr=[below, above], fmt="none", ecolor=BLACK,
                          alpha=0.7, capsize=3)  # fmt: skip
        if bars.published is not None:
            across = [shift - 0.19, shift + 0.19]
            axes.plot([bars.published] * 2, across, color=VERMILLION, lw=2.5)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlim(0, 102)
    axes.set_xlabel(axis)
    tidy(axes)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path)
    return path
