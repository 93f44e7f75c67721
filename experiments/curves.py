"""Learning curves of many runs: a panel a task, a colour a kind of run, a line a seed."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

from level_curves import COLORS, STYLES
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, PercentFormatter

from film_rl.analysis.style import GREY, tidy

Curve = Sequence[Sequence[float]]
"""Of (steps, success)."""

COLUMNS = 4  # panels side by side
KEY = "success of training's episodes over environment steps; a line a seed, grey: 99%"


def draw(panels: Mapping[str, Mapping[str, Sequence[Curve]]], title: str, path: Path) -> Path:
    """Success of training's episodes over environment steps; the PNG's path.

    Args:
        panels: by the name of a task the curves of each kind of run, one a seed.
        title: over all panels.
        path: of the PNG.
    """
    wide = min(COLUMNS, len(panels))
    high = ceil(len(panels) / wide)
    kinds = list(dict.fromkeys(kind for of in panels.values() for kind in of))
    inches = max(8.4, 3.6 * wide)  # the title needs as much
    names_beside = int(inches // 2.8)
    size = (inches, max(3.4, 2.6 * high) + 0.8 + 0.22 * ceil(len(kinds) / names_beside))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    figure.suptitle(f"{title}\n{KEY}", fontsize=11)
    grid = list(figure.subplots(high, wide, squeeze=False, sharey=True).flat)
    for axes, (name, of) in zip(grid, panels.items(), strict=False):
        for kind, curves in of.items():
            number = kinds.index(kind)
            for curve in filter(len, curves):
                axes.plot(
                    *zip(*curve, strict=True),
                    color=COLORS[number % len(COLORS)],
                    linestyle=STYLES[number // len(COLORS)],
                    lw=1.1,
                    alpha=0.85,
                    label=kind,
                )
        axes.axhline(0.99, color=GREY, lw=0.8)
        axes.set_title(name, fontsize=10, loc="left")
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        tidy(axes)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
    handles = [lines[kind] for kind in kinds if kind in lines]
    figure.legend(handles=handles, loc="outside lower center", ncols=names_beside, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
