"""Make demonstrations with minigrid's bot, play each again to check it, and film a few.

    python experiments/babyai_demos.py --level BabyAI-GoToLocal-v0
    python experiments/babyai_demos.py --level BabyAI-BossLevel-v0 --demonstrations 50000
    python experiments/babyai_demos.py --instr "go to the {color} {object}" --room-size 6

The same command goes on with what was begun, with a larger --demonstrations adds to it, and when
all is there checks it again. Levels that the bot fails in are left out and counted. Ends with
status 1 if a demonstration fails when it is played again.
"""

import os
import shlex
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cli
import tyro
from commands import changed

if TYPE_CHECKING:
    from envs.demonstrations import Folder, Source

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "demonstrations.json"
FREE = ("out", "workers", "check", "films", "record")  # the demonstrations do not depend on them


@dataclass(frozen=True)
class Options:
    """Which demonstrations, how many, and where."""

    level: str | None = None
    """A BabyAI level, such as BabyAI-GoToLocal-v0."""
    instr: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Sentences instead of a level, as of babyai_ppo.py; repeat it for several."""
    room_size: int | None = None
    """Cells along a room's side, walls included (sentences only; 8 when not given)."""
    distractors: int | None = None
    """Objects beside those the sentence needs (sentences only; 7 when not given)."""
    demonstrations: int = 10_000
    """How many."""
    seed: int = 0
    """Of the levels."""
    out: Path | None = None
    """The folder; demos/NAME when not given."""
    workers: int = 0
    """Processes; as many as there are cores when 0. The demonstrations do not depend on them."""
    check: bool = True
    """Play every demonstration again, on minigrid and on tensors."""
    films: int = 3
    """Demonstrations to film; 0 for no film."""
    record: bool = False
    """Write the figures into docs/results/demonstrations.json; only of a folder made just now."""


def main() -> None:
    """Make what is missing, check, show, film."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        workers = options.workers or os.cpu_count() or 1
        try:
            folder, rate = make(options, workers)
            failed = check(folder, workers) if options.check else []
        except KeyboardInterrupt:
            print("what was made is kept; the same command goes on")
            raise
        figures = figures_of(folder, rate)
        show(folder, figures, str(len(failed)) if options.check else "not checked")
        if options.record:
            record(options, figures, workers)
        if options.films:
            film(folder, options.films)
        sys.exit(1 if failed else 0)


def make(options: Options, workers: int) -> tuple["Folder", float | None]:
    """The folder, and how many demonstrations a second a process made; None if some were there."""
    from envs.demonstrations import make_demonstrations
    from film_rl.run import Progress

    source, out, count = source_of(options), folder_of(options), options.demonstrations
    print(f"folder: {out}")
    there: list[int] = []
    began = time.monotonic()
    with Progress(count, metric="", unit="demonstrations") as bar:

        def tell(done: int) -> None:
            there.append(done)
            bar.start = there[0]
            bar.update(done, None)

        folder = make_demonstrations(out, source, count, workers=workers, progress=tell)
    if there[0]:
        return folder, None
    made = sum(shard.demonstrations for shard in folder.shards)
    return folder, made / (time.monotonic() - began) / workers


def source_of(options: Options) -> "Source":
    """What is asked for; UserError unless it is either a level or sentences."""
    from envs.demonstrations import Source
    from film_rl.run import UserError

    if bool(options.instr) == bool(options.level):
        raise UserError(
            "give either --level (such as --level BabyAI-GoToLocal-v0) or --instr (such as "
            '--instr "go to the red ball", repeatable)'
        )
    task = options.level or options.instr
    return Source(task, options.room_size, options.distractors, options.seed)


def folder_of(options: Options) -> Path:
    """The folder typed, or demos/NAME."""
    from film_rl.run.folder import slug

    return options.out or Path("demos") / slug(options.level or " ".join(options.instr))


def figures_of(folder: "Folder", rate: float | None) -> dict[str, Any]:
    """What the table and the row show."""
    demonstrations = sum(shard.demonstrations for shard in folder.shards)
    frames = sum(shard.frames for shard in folder.shards)
    return {
        "demonstrations a second a core": None if rate is None else round(rate, 1),
        "mean steps": round(frames / demonstrations, 2),
        "bytes a demonstration": round(folder.bytes / demonstrations),
        "levels left out": sum(folder.skipped.values()),
        **folder.skipped,
    }


def check(folder: "Folder", workers: int) -> list[str]:
    """Play all again; print and return those that fail."""
    from envs.demonstrations.replay import check_folder
    from film_rl.run import Progress

    print("playing them again, on minigrid and on tensors")
    total = sum(shard.demonstrations for shard in folder.shards)
    with Progress(total, metric="", unit="demonstrations") as bar:
        failed = check_folder(folder, workers=workers, progress=lambda n: bar.update(n, None))
    for line in failed:
        print(f"  {line}")
    return failed


def show(folder: "Folder", figures: dict[str, Any], failed: str) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(folder.source.worlds, "")
    table.add_row("demonstrations", f"{folder.demonstrations:,}")
    for name, value in figures.items():
        if value is not None:
            table.add_row(name, f"{value:,}")
    table.add_row("size on the disk", f"{folder.bytes / 1e6:,.1f} MB")
    table.add_row("fail when played again", failed)
    Console().print(table)


def film(folder: "Folder", episodes: int) -> None:
    """Film the first ones and say where."""
    from agents.bot_video import film_demonstrations
    from envs.demonstrations import Demonstrations

    first = Demonstrations.load(folder.path, min(episodes, folder.demonstrations))
    paths = film_demonstrations(first, folder.path / "videos", episodes=episodes)
    for name, path in paths.items():
        print(f"  {name:15s} {path}")


def record(options: Options, figures: dict[str, Any], workers: int) -> None:
    """Write the row; it takes the place of that of the same worlds."""
    import torch

    from film_rl.run import UserError
    from film_rl.run.files import read_json, to_json, write_atomically

    if figures["demonstrations a second a core"] is None:
        raise UserError("--record tells how fast they were made: give a new --out")
    name = source_of(options).worlds
    words = ["python", "experiments/babyai_demos.py", "--record"]
    for option, value in changed(options, Options(), without=FREE):
        for one in value if isinstance(value, tuple) else (value,):
            words += [f"--{option}", str(one)]
    cpu = torch.cpu.get_capabilities().get("cpu_name")
    row = {
        "what": name,
        "command": shlex.join(words),
        "hardware": f"{workers} processes, {cpu}",
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "measured": True,
    }
    rows = [other if other["what"] != name else row for other in read_json(RESULTS)]
    write_atomically(RESULTS, to_json(rows if row in rows else [*rows, row]))


if __name__ == "__main__":
    main()
