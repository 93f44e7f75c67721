"""Pictures of what benchmark.py measured: bars of speeds, and success against time."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from published import EPISODES_TO_99

from film_rl.analysis.style import BLUE, GREY, ORANGE

SPEED = "steps a second"

Row = dict[str, Any]


def draw(rows: list[Row], folder: Path) -> list[Path]:
    """Every picture that the measured rows give; their paths."""
    measured = [row for row in rows if row["measured"]]
    speeds = [row for row in measured if any(SPEED in as_dict(one) for one in players(row))]
    curves = [row for row in measured if "curves" in row]
    pictures = {"babyai_speed.png": (speeds, bars), "babyai_time_to_success.png": (curves, success)}
    paths = []
    for name, (some, drawn) in pictures.items():
        if some:
            folder.mkdir(parents=True, exist_ok=True)
            paths.append(folder / name)
            drawn(some).savefig(paths[-1])
    return paths


def players(row: Row) -> list[Any]:
    """The figures of each of those that were compared."""
    return list(row["figures"].values())


def as_dict(figures: Any) -> dict[str, Any]:
    """Nothing where only a word says why there is no figure."""
    return figures if isinstance(figures, dict) else {}


def bars(rows: list[Row]) -> Figure:
    """A panel a row: steps a second of each on a logarithmic axis, ours in colour."""
    numbers = [sum(SPEED in as_dict(one) for one in players(row)) for row in rows]
    figure = Figure(figsize=(10, 1.1 * len(rows) + 0.45 * sum(numbers)), dpi=100)
    figure.set_layout_engine("constrained")
    most = max(one[SPEED] for row in rows for one in players(row) if SPEED in as_dict(one))
    panels = figure.subplots(len(rows), squeeze=False, height_ratios=[n + 1 for n in numbers])
    for axes, row in zip(panels[:, 0], rows, strict=True):
        speeds = {name: one[SPEED] for name, one in row["figures"].items() if SPEED in as_dict(one)}
        colors = [BLUE, *[GREY] * (len(speeds) - 1)]
        drawn = axes.barh(list(speeds), list(speeds.values()), color=colors)
        axes.bar_label(drawn, [f" {speed:,}" for speed in speeds.values()], fontsize=9)
        axes.set(xscale="log", xlim=(100, 10 * most), xlabel=f"{SPEED} (log scale)")
        axes.set_title(f"{row['what']}\n{row['hardware']}, {row['date']}", fontsize=9, loc="left")
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def success(rows: list[Row]) -> Figure:
    """Success on fresh levels against seconds and against episodes of training, a line a run."""
    figure = Figure(figsize=(12, 5.5), dpi=100, layout="constrained")
    by_time, by_episodes = figure.subplots(1, 2, sharey=True)
    styles = [(color, line) for line in ("-", "--") for color in (BLUE, ORANGE)]
    for row, (color, line) in zip(rows, styles, strict=False):
        for number, points in enumerate(row["curves"]):
            seconds, episodes, _, rate = zip(*points, strict=True)
            label = f"{row['what']}\n{row['hardware']}, {row['date']}" if not number else None
            by_time.plot(seconds, rate, color=color, ls=line, lw=1.2, label=label)
            # An axis of logarithms has no place for what was before the first episode.
            by_episodes.plot(episodes[1:], rate[1:], color=color, ls=line, lw=1.2)
    by_time.set(xlabel="seconds of training", ylabel="success, 512 fresh levels", ylim=(0, 1.02))
    by_time.legend(loc="lower right", fontsize=8)
    by_episodes.set(xscale="log", xlabel="episodes of training (log scale)")
    for number, (name, published) in enumerate(EPISODES_TO_99.items()):
        by_episodes.axvline(published, color=GREY, lw=0.8)
        label = f" {name} {published:,} "
        height = 0.03 + 0.3 * (number % 2)  # neighbours would lie upon each other
        by_episodes.text(published, height, label, rotation=90, fontsize=8, ha="right")
    by_episodes.set_title("grey: published episodes to 99% (BabyAI 1.1)", fontsize=9, loc="right")
    for axes in (by_time, by_episodes):
        _goals(axes)
    return figure


def _goals(axes: Axes) -> None:
    for goal in (0.9, 0.99):
        axes.axhline(goal, color=GREY, lw=0.8, ls=":")
        axes.text(0.005, goal, f"{goal:.0%}", transform=axes.get_yaxis_transform(), fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
