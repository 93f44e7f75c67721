"""The levels a run trains on: an endless sequence, made part by part and kept in the run's folder.

Part 0 is the first bank. Each later part is a quarter as large, and takes the place of the oldest
levels. A part is a function of the configuration and its number alone, so that a file which is not
there any more can be made again. Levels known to have no solution are left out of training. Of a
mixture or a curriculum each level has as many, whatever their shares: those are of the episodes.

    runs/<name>/levels/000000.safetensors  the first bank
                       000012.safetensors  ...  the newest parts
"""

import os
from dataclasses import replace
from pathlib import Path

from agents.config import AgentConfig
from agents.task import tasks_of
from envs import EnvError
from envs.batched import LevelBank
from envs.batched.join import aligned, stacked
from envs.batched.record import Row
from film_rl.run import RunFolder, UserError

QUARTERS = 4
KEPT = 2 * QUARTERS  # newest parts on the disk: a resumed run needs about the last four


def level_bank(config: AgentConfig, run: RunFolder | None, parts: int = 0) -> LevelBank:
    """The bank after `parts` parts have joined the first: always as many levels, the newest.

    The bank seeds its levels with 63 random bits each, so none is one of evaluation's.

    Raises:
        UserError: none of the first levels can be solved; a file is damaged.
    """
    folder = run.folder("levels") if run else None
    first = level_part(config, 0, folder, all_cores=True)
    for number, task in enumerate(tasks_of(config)):
        if number not in first.record[Row.TASK]:
            raise UserError(
                f"none of the {config.levels} levels is one of '{task}' that can be solved; type a "
                "larger --levels, or another task"
            )
    newest: list[LevelBank] = []
    for number in range(parts, 0, -1):
        if sum(map(len, newest)) >= len(first):
            break
        newest.insert(0, level_part(config, number, folder, all_cores=True))
    if not newest:
        return first
    return stacked(aligned([first, *newest])).part(slice(-len(first), None))


def level_part(
    config: AgentConfig, number: int, folder: Path | None, all_cores: bool = False
) -> LevelBank:
    """The levels of a part that may have a solution: read if the folder has them, else made."""
    path = folder / f"{number:06d}.safetensors" if folder else None
    if path and path.exists():
        try:
            return LevelBank.load(path).only_solvable()
        except EnvError as error:
            raise UserError(f"{error} (remove the file: the next start makes it again)") from error
    size = part_size(config)
    bank = LevelBank.generate(
        # Levels have no view.
        [replace(task, pixels=False).make for task in tasks_of(config)],
        size if number else config.levels,
        seed=config.seed,
        workers=(os.cpu_count() or 1) if all_cores else 1,
        start=config.levels + (number - 1) * size if number else 0,
    )
    if path:
        bank.save(path)
    return bank.only_solvable()


def part_size(config: AgentConfig) -> int:
    """Levels of each part but the first: one at least of each task."""
    return max(len(tasks_of(config)), config.levels // QUARTERS)
