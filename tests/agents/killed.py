"""Train in a process of its own that kills itself at the n-th call of something.

    python killed.py RUN_FOLDER MODULE.FUNCTION N

The run folder holds the configuration; training goes on from its newest checkpoint.
"""

import importlib
import os
import signal
import sys
from pathlib import Path

from agents.config import AgentConfig
from agents.training import train
from film_rl.run import RunFolder


def kill_at_call(target: str, number: int) -> None:
    """Replace `module:Object.name` by one that sends SIGKILL at its n-th call."""
    module_name, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module_name)
    for step in owners:
        owner = getattr(owner, step)
    real = getattr(owner, name)
    calls = 0

    def counting(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, name, counting)


if __name__ == "__main__":
    folder, target, number = sys.argv[1:]
    kill_at_call(target, int(number))
    run = RunFolder(Path(folder))
    with run:
        train(run.config(AgentConfig), run)
