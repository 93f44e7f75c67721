"""Progress of a long run: a live line on a terminal, a plain line now and then in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows steps done, steps per second, time left, the current metric and its best value.

    Args:
        total: the step to reach.
        metric: what the number given to `update` is called; more is better.
        unit: what the steps are.
        console: where to write; standard output by default.

    Attributes:
        start: the step this process begins at, from which the rate counts (not 0 after a resume).
    """

    def __init__(
        self, total: int, *, metric: str, unit: str = "steps", console: Console | None = None
    ):
        self.total, self.metric, self.unit = total, metric, unit
        self.start = 0
        self.best: float | None = None
        self._console = console or Console()
        self._began = self._last_line = time.monotonic()
        self._bar: RichProgress | None = None
        if self._console.is_terminal:
            self._bar = RichProgress(
                BarColumn(bar_width=24), TextColumn("{task.description}"), console=self._console
            )
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, step: int, value: float | None) -> None:
        """Report that `step` is reached and, where it is known, the metric's value there."""
        if value is not None:
            self.best = value if self.best is None else max(self.best, value)
        line = self._line(step, value)
        if self._bar:
            self._bar.update(self._task, completed=step, description=line)
        elif step >= self.total or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._console.print(line, highlight=False, soft_wrap=True)

    def _line(self, step: int, value: float | None) -> str:
        elapsed = max(time.monotonic() - self._began, 1e-9)
        rate = (step - self.start) / elapsed
        left = (self.total - step) / rate if rate else float("inf")
        done = f"{step:,} of {self.total:,} {self.unit}"
        line = f"{done}, {rate:,.0f} a second, {_duration(left)} left"
        if value is not None and self.best is not None:
            line += f", {self.metric} {value:.3f} (best {self.best:.3f})"
        return line


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "unknown time"
    minutes, seconds = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        if minutes >= 60
        else f"{minutes}:{seconds:02d}"
    )
