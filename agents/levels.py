"""The level bank of a training run: made once by all cores, then read from the run's folder."""

import os

from agents.config import AgentConfig
from agents.task import Task
from envs.batched import LevelBank
from film_rl.run import RunFolder

FILE = "levels.safetensors"


def level_bank(task: Task, config: AgentConfig, run: RunFolder | None) -> LevelBank:
    """The run's bank: `config.levels` levels of the task, a function of the seed alone.

    The bank seeds its levels with 63 random bits each, so none is one of evaluation's.
    """
    path = run.path / FILE if run else None
    if path and path.exists():
        return LevelBank.load(path)
    bank = LevelBank.generate(
        task.make, config.levels, seed=config.seed, workers=os.cpu_count() or 1
    )
    if path:
        bank.save(path)
    return bank
