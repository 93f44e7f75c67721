"""How the pictures look: colours and markers that a colour-blind reader tells apart, one frame."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Okabe and Ito's colour-blind-safe palette.
BLUE, ORANGE, GREEN, VERMILLION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
SKY, PURPLE, YELLOW, BLACK, GREY = "#56b4e9", "#cc79a7", "#f0e442", "#000000", "#999999"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, BLACK, YELLOW)
MARKERS = "os^DvP*X<>pd"
# The palette's nearest colour, where a label is itself a colour.
NAMED = {
    "red": VERMILLION, "blue": BLUE, "green": GREEN, "yellow": YELLOW, "purple": PURPLE,
    "grey": GREY, "gray": GREY, "cyan": SKY, "brown": ORANGE,
}  # fmt: skip


def looks(labels: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each distinct label; no two have both alike."""
    distinct = sorted(set(labels))
    named = bool(distinct) and all(label in NAMED for label in distinct)
    return {
        label: (
            NAMED[label] if named else PALETTE[index % len(PALETTE)],
            MARKERS[index % len(MARKERS)],
        )
        for index, label in enumerate(distinct)
    }


def canvas(title: str, note: str, width: float, height: float) -> Figure:
    """An empty figure of so many inches with a title, and a note below (the paper's finding)."""
    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    lines = [fill(line, int(10 * width)) for line in title.splitlines()]
    figure.suptitle("\n".join(lines), fontsize=13)
    if note:
        figure.supxlabel(note, fontsize=9.5, color="#444444", wrap=True)
    return figure


def tidy(axes: Axes) -> None:
    """A light grid, and no box around it."""
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend_of(figure: Figure, labels: Iterable[str], title: str) -> None:
    """What the colours and markers of `looks` stand for, to the right of everything."""
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=color, markeredgecolor="#333333",
               markeredgewidth=0.5, label=label)
        for label, (color, marker) in looks(labels).items()
    ]  # fmt: skip
    figure.legend(handles=handles, title=title, loc="outside right upper", frameon=False)


def save(figure: Figure, path: Path) -> Path:
    """Write the PNG; its path."""
    figure.savefig(path)
    return path
