"""The picture beside a sweep's table: what was measured here, and what was published."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from film_rl.analysis.style import BLUE, GREY, VERMILLION, tidy

FAR = 5  # times the range of all others


@dataclass(frozen=True)
class Mark:
    """A line of the picture, in percent.

    Attributes:
        what: it is.
        runs: what was measured here, a number a run.
        published: None where no number was.
    """

    what: str
    runs: Sequence[float]
    published: float | None


def draw(title: str, marks: Sequence[Mark], path: Path) -> Path:
    """A line a mark: here the runs with mean and standard deviation, beside it what was published.

    The two have an axis each: at another scale it is order and distances that can be compared. What
    lies so far below all others that they could not be told apart stands at the edge.
    """
    several = any(len(mark.runs) > 1 for mark in marks)
    ours = "measured here" + ": runs (bars), their mean and standard deviation" * several
    published = [[] if mark.published is None else [mark.published] for mark in marks]
    panels = {ours: ([list(mark.runs) for mark in marks], BLUE, "o")}
    if any(published):
        panels["published, on official CLEVR"] = (published, VERMILLION, "D")
    size = (3 + 4 * len(panels), 1.7 + 0.32 * len(marks))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False).flat
    for axes, (name, points) in zip(grid, panels.items(), strict=True):
        panel(axes, *points)
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_yticks(range(len(marks)), [mark.what for mark in marks])
        axes.set_ylim(len(marks) - 0.5, -0.5)
    figure.savefig(path)
    return path


def far_below(values: Sequence[float]) -> float | None:
    """The least of the values, where it is so far below the others that they look like one."""
    if len(values) < 3:
        return None
    least, second, *_, most = sorted(values)
    return least if second - least > FAR * max(most - second, 1) else None


def panel(axes: Axes, values: Sequence[Sequence[float]], color: str, marker: str) -> None:
    """Points with their numbers; a bar for each of several runs, and their standard deviation."""
    means = {place: mean(of) for place, of in enumerate(values) if of}
    outside = far_below([*means.values()])
    shown = [one for one in means.values() if one != outside] or [0.0]
    edge = min(shown) - 0.15 * (max(shown) - min(shown))
    for place, at in means.items():
        runs = values[place]
        if at == outside:
            axes.plot(edge, place, "<", color=color)
        else:
            axes.plot(at, place, marker, color=color)
        if len(runs) > 1 and at != outside:
            axes.errorbar(at, place, xerr=stdev(runs), color=color, capsize=3)
            axes.plot(runs, [place] * len(runs), "|", color=GREY, ms=10)
        where = (edge if at == outside else at, place)
        axes.annotate(
            f"{at:.1f}", where, (0, 6), textcoords="offset points", ha="center", fontsize=7
        )
    arrow = "" if outside is None else "\n(arrow: far below, off the axis)"
    axes.margins(x=0.1)
    axes.set_xlabel(f"held-out questions answered right (%){arrow}", fontsize=9)
    tidy(axes)
