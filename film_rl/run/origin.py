"""What a run began with that did not begin afresh: start.json."""

from pathlib import Path
from typing import Any

from film_rl.run.files import read_json, to_json, write_atomically
from film_rl.run.folder import RunFolder


def write_origin(run: RunFolder, origin: dict[str, Any] | None) -> None:
    """Note in start.json which run, step and tensors this run began with, if with any."""
    if origin is not None:
        write_atomically(_origin_file(run), to_json(origin))


def read_origin(run: RunFolder) -> dict[str, Any] | None:
    """What `write_origin` noted; None for a run that started afresh."""
    file = _origin_file(run)
    return dict(read_json(file)) if file.exists() else None


def _origin_file(run: RunFolder) -> Path:
    return run.path / "start.json"
