"""The picture of a comparison of questions: shares side by side, drawn from its figures alone."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from film_rl.analysis.style import BLUE, VERMILLION, tidy
from vqa.question_statistics import CHANCE, GENERATED, OFFICIAL, Figures

Rows = dict[str, dict[str, Any]]
LOOKS = {OFFICIAL: (BLUE, -0.2), GENERATED: (VERMILLION, 0.2)}


def question_shares(path: Path, figures: Figures, title: str) -> Path:
    """Draw lengths, types, families and answers of both sets; the PNG's path."""
    figure = Figure(figsize=(13, 14), dpi=90, layout="constrained")
    figure.suptitle(title, fontsize=14)
    grid = figure.add_gridspec(4, 2)
    places = {
        "tokens": (grid[0, 0], "tokens of a question"),
        "functions": (grid[0, 1], "functions of a program"),
        "types": (grid[1, :], "type: the last function of the program"),
        "families": (grid[2, :], "family, by its official number"),
        "answer_shares": (grid[3, :], "answer, among the questions of its type"),
    }
    for name, (place, label) in places.items():
        axes = figure.add_subplot(place)
        axes.set_xlabel(label)
        draw = _answers if name == "answer_shares" else _values
        draw(axes, figures[name])
    figure.axes[0].legend(frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _values(axes: Axes, rows: Rows) -> None:
    """The values side by side; of many numbers every fifth is named."""
    _bars(axes, rows, list(range(len(rows))))
    names = [name.replace("_", "\n") for name in rows]
    named = [i for i, name in enumerate(names) if not name.isdecimal() or int(name) % 5 == 0]
    axes.set_xticks(named, [names[i] for i in named])
    axes.set_xlim(-1, len(rows))


def _answers(axes: Axes, rows: Rows) -> None:
    """The answers in groups, under the name of their type."""
    kinds, names = zip(*(name.split(": ") for name in rows), strict=True)
    order = list(dict.fromkeys(kinds))
    places = [index + order.index(kind) for index, kind in enumerate(kinds)]  # a gap a type
    _bars(axes, rows, places)
    for kind in order:
        own = [place for place, of in zip(places, kinds, strict=True) if of == kind]
        middle, top = (own[0] + own[-1]) / 2, axes.get_xaxis_transform()
        heading = kind.replace("_", "\n")
        axes.text(middle, 1.02, heading, ha="center", va="bottom", fontsize=9, transform=top)
    axes.set_xticks(places, names, rotation=90, fontsize=9)
    axes.set_xlim(-1, places[-1] + 1)


def _bars(axes: Axes, rows: Rows, places: list[int]) -> None:
    """A pair of bars a row; about the official one stands how far chance takes the other."""
    for column, (color, aside) in LOOKS.items():
        middles = [place + aside for place in places]
        heights = [row[column] for row in rows.values()]
        name = column.removesuffix(", %")
        axes.bar(middles, heights, width=0.4, color=color, label=name)
        if column == OFFICIAL:
            chance = [row[CHANCE] for row in rows.values()]
            label = "difference by chance (95 of 100)"
            axes.errorbar(middles, heights, chance, fmt="none", ecolor="black", elinewidth=0.8,
                          alpha=0.6, label=label)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel("share, %")
    tidy(axes)
    axes.grid(visible=False, axis="x")
