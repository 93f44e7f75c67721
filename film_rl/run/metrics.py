"""Metrics: one JSON object a line in metrics.jsonl (the truth), and the same in TensorBoard."""

import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter


class Metrics:
    """Appends scalar metrics of a run.

    Args:
        folder: the run folder.
        resume: where to go on, as `position` gave it: later records are dropped, so that a run
            killed after its last checkpoint has no step twice.
    """

    def __init__(self, folder: Path, resume: dict[str, int] | None = None):
        self.path = folder / "metrics.jsonl"
        self._file = self.path.open("ab" if resume else "wb")
        if resume:
            self._drop_after(resume["bytes"])
        self._step = resume["step"] if resume else 0
        # Later events are of a part of training that is done again.
        self._tensorboard = SummaryWriter(str(folder / "tensorboard"), purge_step=self._step + 1)

    def _drop_after(self, length: int) -> None:
        if self._file.tell() < length:
            warnings.warn(f"{self.path} has lost records; going on after its last", stacklevel=3)
            self._file.write(b"\n")  # the last one may be cut
        else:
            self._file.truncate(length)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Write the values of one step to both."""
        record = {"step": step, "time": round(time.time(), 3), **values}
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        for name, value in values.items():
            self._tensorboard.add_scalar(name, value, step)
        self._step = step

    def position(self) -> dict[str, int]:
        """Where the file stands now, for a checkpoint; what was logged so far is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {"bytes": self._file.tell(), "step": self._step}

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        self._tensorboard.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The records of a run's metrics.jsonl; lines that are none are left out with a warning."""
    path = folder / "metrics.jsonl"
    records = []
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last is cut short, or empty
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            records.append({"step": int(record["step"]), **record})
        except (ValueError, KeyError, TypeError, RecursionError):
            warnings.warn(f"{path}: line {number} is no record; it is left out", stacklevel=2)
    return records
