"""The rows of docs/results/babyai.json: every level of BabyAI by every method, measured or not.

A row is a training:

    level              as minigrid calls it: "BabyAI-GoToLocal-v0"
    method             a name in babyai_methods.py
    engine             what stepped the worlds of training
    seed               of the training
    success_rate       of fresh episodes on minigrid, actions sampled
    success_ci95       its 95% interval
    argmax_rate        of the same levels, the likeliest actions
    argmax_ci95        its 95% interval
    episodes           how many fresh episodes
    unsolvable         levels counted apart, because they are proven to have no solution
    training_episodes  begun by the agent in training; null where none were
    demonstrations     trained on; null where none were
    timesteps          environment steps of training
    wall_seconds       of training
    curve              at most 60 of (steps, success of training's episodes since the last); of
                       learning from reward
    hardware, date, commit, command
    measured           false: the row has its command and no figures
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from babyai_levels import LEVELS, NINETEEN, Level
from babyai_methods import METHODS
from paper_rows import Row
from published import PUBLISHED, Published
from row_tables import shown

BABYAI = Path(__file__).parent.parent / "docs" / "results" / "babyai.json"
PICTURE = "babyai_suite.png"  # among the media of the documents
FIELDS = (
    "level", "method", "engine", "seed", "success_rate", "success_ci95", "argmax_rate",
    "argmax_ci95", "episodes", "unsolvable", "training_episodes", "demonstrations", "timesteps",
    "wall_seconds", "curve", "hardware", "date", "commit", "command", "measured",
)  # fmt: skip
COLUMNS = (
    "level", "method", "success, sampled", "argmax", "trained on", "1.0", "1.1", "seconds",
    "command", "hardware, seeds, date",
)  # fmt: skip


def unmeasured(level: str, method: str) -> Row:
    """A row of what nobody has measured here yet."""
    command = f"python experiments/babyai_suite.py --tasks {level} --methods {method}"
    empty: Row = {**dict.fromkeys(FIELDS), "measured": False}
    return {**empty, "level": LEVELS[level].id, "method": method, "command": command}


def read_rows(path: Path = BABYAI) -> list[Row]:
    """All rows; UserError where the file holds something else."""
    from film_rl.run import UserError
    from film_rl.run.files import read_json

    rows = read_json(path) if path.exists() else []
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and row.keys() == set(FIELDS) for row in rows
    ):
        raise UserError(f"{path} is not a file of BabyAI's rows; choose another with --results")
    return rows


def write_rows(new: Iterable[Row], path: Path = BABYAI) -> None:
    """Add rows; one takes the place of that of the same training. Several processes may add."""
    from film_rl.run.files import alone_with, to_json, write_atomically

    with alone_with(path):
        write_atomically(path, to_json(complete([*read_rows(path), *new])))


def complete(rows: Sequence[Row]) -> list[Row]:
    """The newest row of each training, and one for each level and method without any; in order."""
    newest = {
        tuple(row[name] for name in ("level", "method", "seed", "command", "hardware")): row
        for row in rows
        if row["measured"]
    }
    known = {(row["level"], row["method"]) for row in newest.values()}
    kept = list(newest.values()) + [
        unmeasured(name, method)
        for name, level in LEVELS.items()
        for method in METHODS
        if (level.id, method) not in known
    ]
    levels, methods = [level.id for level in LEVELS.values()], list(METHODS)

    def place(row: Row) -> tuple[Any, ...]:
        at = levels.index(row["level"]), methods.index(row["method"])
        return (*at, row["hardware"] or "", row["command"], row["seed"] or 0)

    return sorted(kept, key=place)


def tables(path: Path = BABYAI) -> dict[str, str]:
    """The tables of docs/babyai.md by their names there."""
    rows = read_rows(path)
    picture = f"![Success against steps, a panel a level, a line a seed](media/{PICTURE})\n"
    return {
        "babyai_suite": suite_table(rows),
        "babyai_curves": picture if any(row["measured"] for row in rows) else "",
        "babyai_published": published_table(),
    }


def suite_table(rows: Sequence[Row], levels: Sequence[Level] = NINETEEN) -> str:
    """A line a level, method, command and machine, the figures of its seeds side by side."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    lacking: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["measured"]:
            groups[row["level"], row["method"], row["command"], row["hardware"]].append(row)
        else:
            lacking[row["level"]].append(row["method"])
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    for level in levels:
        if not level.is_in_minigrid:
            lines.append(
                f"| {level.name} | minigrid has no such level |{' |' * (len(COLUMNS) - 2)}"
            )
        lines += [
            f"| {' | '.join(_line(level.name, group))} |"
            for key, group in groups.items()
            if key[0] == level.id
        ]
        if methods := lacking[level.id]:
            lines.append(f"| {' | '.join(_not_measured(level.name, methods))} |")
    return "\n".join(lines) + "\n"


def _line(name: str, group: Sequence[Row]) -> tuple[str, ...]:
    first = group[0]
    method = METHODS[first["method"]]
    beside = [_published(PUBLISHED[name], method.learns_from, which) for which in ("1_0", "1_1")]
    seeds, newest = ", ".join(str(row["seed"]) for row in group), max(r["date"] for r in group)
    return (
        name,
        f"`{first['method']}`: {method.title}",
        "; ".join(map(_success, group)),
        ", ".join(f"{row['argmax_rate']:.1%}" for row in group),
        _amounts(group),
        *beside,
        ", ".join(f"{row['wall_seconds']:,.0f}" for row in group),
        f"`{first['command']}`",
        f"{first['hardware']}; seed{'s' * (len(group) > 1)} {seeds}; {newest}",
    )


def _not_measured(name: str, methods: Sequence[str]) -> tuple[str, ...]:
    """All that a level lacks, in one line with one command."""
    command = f"python experiments/babyai_suite.py --tasks {name} --methods {' '.join(methods)}"
    listed = ", ".join(f"`{method}`" for method in methods)
    return (name, listed, "not measured", "", "", "", "", "", f"`{command}`", "")


def _success(row: Row) -> str:
    low, high = row["success_ci95"]
    apart = f" ({row['unsolvable']} more unsolvable)" if row["unsolvable"] else ""
    return f"{row['success_rate']:.1%} [{low:.1%}, {high:.1%}] of {row['episodes']}{apart}"


def _amounts(group: Sequence[Row]) -> str:
    """What was trained on: `36,266, 25,661 episodes`."""
    parts = []
    for field, unit in (("demonstrations", "demonstrations"), ("training_episodes", "episodes")):
        if group[0][field] is not None:
            amounts = dict.fromkeys(f"{row[field]:,}" for row in group)
            parts.append(f"{', '.join(amounts)} {unit}")
    return "; ".join(parts)


def _published(row: Published, learns_from: str, which: str) -> str:
    """A paper's figure that a method's can be compared with."""
    if learns_from == "demonstrations":
        percent = getattr(row, f"imitated_{which}")
        return "-" if percent is None else f"{percent}% from 1M demonstrations"
    episodes = getattr(row, f"episodes_{which}")
    return "-" if episodes is None else f"99% after {_thousands(episodes)} thousand episodes"


def _thousands(value: Any) -> str:
    return " to ".join(map(shown, value)) if isinstance(value, tuple) else shown(value)


def published_table() -> str:
    """What the papers of BabyAI 1.0 and 1.1 have, a line a level."""
    columns = (
        "level", "1.0: success from 1M demonstrations", "1.1: the same", "1.0: thousand "
        "demonstrations to 99%", "1.0: thousand episodes of PPO to 99%", "1.1: the same",
        "steps of a demonstration",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", f"| --- |{' ---: |' * (len(columns) - 1)}"]
    for level in NINETEEN:
        row = PUBLISHED[level.name]
        percents = (
            "-" if one is None else f"{one}%" for one in (row.imitated_1_0, row.imitated_1_1)
        )
        amounts = (row.demonstrations_1_0, row.episodes_1_0, row.episodes_1_1, row.length)
        lines.append(f"| {' | '.join((level.name, *percents, *map(_thousands, amounts)))} |")
    return "\n".join(lines) + "\n"


def draw_curves(rows: Iterable[Row], path: Path) -> Path:
    """The learning curves of measured rows, a panel a level, a line a seed; the PNG's path."""
    from curves import draw

    panels: dict[str, dict[str, list[list[list[float]]]]] = defaultdict(lambda: defaultdict(list))
    names = {level.id: name for name, level in LEVELS.items()}
    for row in rows:
        if row["curve"]:
            panels[names[row["level"]]][row["method"]].append(row["curve"])
    return draw(panels, "BabyAI", path)
