"""The picture of imitation: success against the number of demonstrations, a panel a task."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from paper_rows import SPREAD, Row
from published import PUBLISHED

from film_rl.analysis.style import BLUE, GREY, ORANGE, tidy

PART = "imitation "  # the task follows
PICTURE = "babyai_imitation.png"  # among the media of the documents


def draw(rows: Sequence[Row], path: Path) -> Path:
    """A panel for the measured rows of each task and way to train; the PNG's path.

    How many demonstrations 99% took in BabyAI 1.0 is a grey band, where that was published.
    """
    panels: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        panels[row["part"], row["data"]].append(row)
    figure = Figure(figsize=(2 + 4.2 * len(panels), 4.4), dpi=110, layout="constrained")
    figure.suptitle("Success in fresh worlds after imitation; thin line: 99%", fontsize=11)
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, ((part, data), line) in zip(grid, panels.items(), strict=True):
        task = part.removeprefix(PART)
        _panel(axes, sorted(line, key=_number))
        if task in PUBLISHED and (thousands := PUBLISHED[task].demonstrations_1_0):
            low, high = (1000 * one for one in thousands)
            axes.axvspan(low, high, color=GREY, alpha=0.4, label="99% in BabyAI 1.0")
        axes.set_title(f"{task}\n{data}", fontsize=9, loc="left")
    grid[0].set_ylabel("episodes that succeed (%)")
    handles = {
        name: handle
        for axes in grid
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _panel(axes: Axes, line: Sequence[Row]) -> None:
    """Sampled actions with their interval, and argmax."""
    numbers, figures = [_number(row) for row in line], [row["figures"] for row in line]
    sampled = [one["sampled"] for one in figures]
    axes.errorbar(
        numbers,
        sampled,
        yerr=[
            [one["sampled"] - one["95% from"] for one in figures],
            [one["to"] - one["sampled"] for one in figures],
        ],
        fmt="o-",
        color=BLUE,
        capsize=3,
        label="sampled actions, 95% interval",
    )
    axes.errorbar(
        numbers,
        [one["argmax"] for one in figures],
        yerr=[one.get(f"argmax{SPREAD}", 0) for one in figures],
        fmt="D--",
        color=ORANGE,
        label="argmax",
    )
    axes.axhline(99, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("demonstrations")
    tidy(axes)


def _number(row: Row) -> int:
    """How many demonstrations a row is about: what stands at its beginning."""
    return int(row["what"].split()[0].replace(",", ""))
