"""The learning curve of a run."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from film_rl.analysis.style import BLUE, tidy
from film_rl.run import RunFolder
from film_rl.run.metrics import read_metrics

Panel = tuple[str, str, tuple[float, float] | None]

PPO_PANELS: tuple[Panel, ...] = (
    ("rollout/success_rate", "success rate (last 100 episodes)", (0.0, 1.02)),
    ("rollout/ep_len_mean", "steps an episode (last 100)", None),
    ("train/entropy_loss", "entropy of the actions (nats)", None),
    ("train/approx_kl", "KL between two updates (nats)", None),
)
IMITATION_PANELS: tuple[Panel, ...] = (
    ("val/success_rate", "success rate (fresh worlds)", (0.0, 1.02)),
    ("val/agreement", "agreement with the bot (held-out frames)", None),
    ("train/surprise", "- log p of the bot's action (nats)", None),
    ("val/surprise", "- log p of the bot's action, held out (nats)", None),
)


def learning_curve(
    run: RunFolder,
    title: str,
    panels: Sequence[Panel] = PPO_PANELS,
    unit: str = "environment steps",
) -> Path:
    """Draw four of a run's metrics; the PNG's path."""
    records = read_metrics(run.path)
    figure = Figure(figsize=(11, 7), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=15)
    for axes, (key, label, limits) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        sign = -1 if key == "train/entropy_loss" else 1  # SB3 logs minus the entropy
        points = [(record["step"], sign * record[key]) for record in records if key in record]
        _panel(axes, points, label, limits)
        axes.set_xlabel(unit)
    if panels is PPO_PANELS:
        figure.supxlabel("At first only short, successful episodes have ended.", fontsize=9)
    path = run.folder("plots") / "learning_curve.png"
    figure.savefig(path)
    return path


def _panel(
    axes: Axes, points: list[tuple[int, float]], label: str, limits: tuple[float, float] | None
) -> None:
    axes.plot([step for step, _ in points], [value for _, value in points], color=BLUE)
    axes.set_title(label, fontsize=12)
    axes.set_ylim(limits)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    tidy(axes)
