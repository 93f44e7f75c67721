"""The learning curve of a run."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from film_rl.analysis.style import BLUE, tidy
from film_rl.run import RunFolder
from film_rl.run.metrics import read_metrics

PANELS = (
    ("rollout/success_rate", "success rate (last 100 episodes)", (0.0, 1.02)),
    ("rollout/ep_len_mean", "steps an episode (last 100)", None),
    ("train/entropy_loss", "entropy of the actions (nats)", None),
    ("train/approx_kl", "KL between two updates (nats)", None),
)


def learning_curve(run: RunFolder, title: str) -> Path:
    """Draw success, episode length, entropy and KL over environment steps; the PNG's path."""
    records = read_metrics(run.path)
    figure = Figure(figsize=(11, 7), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=15)
    for axes, (key, label, limits) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        sign = -1 if key == "train/entropy_loss" else 1  # SB3 logs minus the entropy
        points = [(record["step"], sign * record[key]) for record in records if key in record]
        _panel(axes, points, label, limits)
    figure.supxlabel("At first only short, successful episodes have ended.", fontsize=9)
    path = run.folder("plots") / "learning_curve.png"
    figure.savefig(path)
    return path


def _panel(
    axes: Axes, points: list[tuple[int, float]], label: str, limits: tuple[float, float] | None
) -> None:
    axes.plot([step for step, _ in points], [value for _, value in points], color=BLUE)
    axes.set_title(label, fontsize=12)
    axes.set_xlabel("environment steps")
    axes.set_ylim(limits)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    tidy(axes)
