"""Ctrl-C and SIGTERM as a request: training saves a checkpoint at the next boundary and stops."""

import signal
from types import FrameType, TracebackType
from typing import Self


class Interrupted(Exception):
    """Training stopped on a signal, after a checkpoint; scripts exit with 128 + its number."""

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is only noted; a second one acts at once.

    Attributes:
        signum: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signum: int | None = None

    def __enter__(self) -> Self:
        self._before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
        for signum in self._before:
            signal.signal(signum, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        self._restore()

    def _restore(self) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
