"""Kill training at a chosen moment, and compare what comes of it with a run never disturbed.

    python -m tests.kill_and_resume TRAIN CONFIG_CLASS RUN_FOLDER TARGET N

calls TRAIN(configuration, run) and kills its own process at the n-th call of TARGET; all three are
names such as `os:fsync` or `torch.optim:Adam.step`.
"""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from film_rl.run import RunFolder
from film_rl.run.metrics import read_metrics

ROOT = Path(__file__).parents[1]


def kill(train, run: RunFolder, config, target: str, number: int) -> None:
    """Train in a process of its own until it dies."""
    names = [f"{thing.__module__}:{thing.__qualname__}" for thing in (train, type(config))]
    words = ["-m", "tests.kill_and_resume", *names, str(run.path), target, str(number)]
    killed = subprocess.run([sys.executable, *words], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL


def signal_at_call(target: str, number: int, signum: int = signal.SIGKILL) -> None:
    """Replace `module:Object.name` by one that sends its process a signal at its n-th call."""
    owner, name = _found(target)
    real = getattr(owner, name)
    calls = 0

    def counting(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signum)
        return real(*args, **kwargs)

    setattr(owner, name, counting)


def records(run: RunFolder) -> list[dict]:
    """The run's metrics without the clock's."""
    return [
        {name: value for name, value in record.items() if not name.startswith("time")}
        for record in read_metrics(run.path)
    ]


def assert_same(a, b, path="state") -> None:
    """Equal to the last bit, types and order included."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_same(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}.{index}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    else:
        assert np.array_equal(a, b), path


def _found(target: str) -> tuple[Any, str]:
    """Who owns it, and what it is called there."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for step in owners:
        owner = getattr(owner, step)
    return owner, name


if __name__ == "__main__":
    train, config_class = (getattr(*_found(name)) for name in sys.argv[1:3])
    signal_at_call(sys.argv[4], int(sys.argv[5]))
    run = RunFolder(Path(sys.argv[3]))
    with run:
        train(run.config(config_class), run)
