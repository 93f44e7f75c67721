"""Train the toy task as one of the processes that torchrun starts.

    torchrun --nproc-per-node 2 -m tests.vqa.together RUN_FOLDER [STEP EVENT]

At that step something befalls the second process: a signal (its number), or `nan`.
"""

import contextlib
import sys
from pathlib import Path

from torch import distributed as dist

from film_rl.run import Interrupted, NonFiniteError, RunFolder, Team
from film_rl.run.accelerated import join_team
from tests.kill_and_resume import signal_at_call
from tests.vqa.toy import train_toy
from vqa.config import VQAConfig
from vqa.learner import Learner


def poison_at_call(number: int) -> None:
    """Make the n-th batch's loss NaN."""
    real, calls = Learner.loss, []

    def poisoned(learner, batch):
        calls.append(batch)
        loss, logits = real(learner, batch)
        return loss * (float("nan") if len(calls) == number else 1.0), logits

    Learner.loss = poisoned


def main() -> None:
    with join_team("cpu") as team:
        work(team, *sys.argv[1:])
    assert not dist.is_initialized()


def work(team: Team, folder: str, *event: str) -> None:
    run = RunFolder(Path(team.told(folder if team.first else "")))
    if event and not team.first:
        step, what = event
        if what == "nan":
            poison_at_call(int(step))
        else:
            signal_at_call("vqa.learner:Learner.update", int(step), int(what))
    config = run.config(VQAConfig)
    if not team.first:
        with contextlib.suppress(Interrupted, NonFiniteError):
            train_toy(config, run, team)
        return
    with run:
        train_toy(config, run, team)


if __name__ == "__main__":
    main()
