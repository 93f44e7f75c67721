"""The picture of how BabyAI's levels were learned, from the rows of report.py."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from film_rl.analysis.style import GREY, PALETTE

COLORS = PALETTE[:-1]  # a thin yellow line is hard to see
STYLES = ("-", "--", ":")


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """A line a measured row: success of training's episodes against steps."""
    figure = Figure(figsize=(9, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    measured = [row for row in rows if row["measured"]]
    tasks = list(dict.fromkeys(row["what"] for row in measured))
    for row in measured:
        number = tasks.index(row["what"])
        first = row is next(one for one in measured if one["what"] == row["what"])
        axes.plot(
            *zip(*row["curve"], strict=True),
            color=COLORS[number % len(COLORS)],
            linestyle=STYLES[number // len(COLORS)],
            lw=1.2,
            label=row["what"].removeprefix("BabyAI-").removesuffix("-v0") if first else None,
        )
    axes.axhline(0.99, color=GREY, lw=0.8)
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="environment steps of training")
    axes.set_ylabel("success of training's episodes")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("A line a seed; the grey line is 99%", fontsize=9, loc="right")
    figure.legend(fontsize=8, loc="outside right upper", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
