"""The rows of docs/results/paper.json: every table and figure of the paper, measured here or not.

Those of babyai_studies.json beside it are alike.

A row is

    part        which table or figure: "table 2", "CoGenT"
    what        the line of it: "no residual connection"
    paper       what was published: a number, a remark, several of these by name, or null
    figures     what was measured here, numbers by name; `NAME ±` is the spread of `NAME`
    data        what it was measured on, and at which scale
    command     how to measure it; null where there is none here
    hardware    on what it was measured
    seeds       of the runs, a list
    date        as in 2026-11-21
    commit      of the program
    measured    false: the row has its command and no figures
"""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from film_rl.run import RunFolder

Row = dict[str, Any]

PAPER = Path(__file__).parent.parent / "docs" / "results" / "paper.json"
STUDIES = PAPER.with_name("babyai_studies.json")  # what conditions best; generalisation
FIELDS = (
    "part", "what", "paper", "figures", "data", "command", "hardware", "seeds", "date", "commit",
    "measured",
)  # fmt: skip
SPREAD = " ±"


def measured(
    part: str,
    what: str,
    paper: Any,
    figures: dict[str, Any],
    *,
    data: str,
    command: str,
    hardware: str,
    seeds: Sequence[int],
) -> Row:
    """A row of what was measured today by this commit."""
    from film_rl.run.folder import commit

    return {
        "part": part,
        "what": what,
        "paper": paper,
        "figures": figures,
        "data": data,
        "command": command,
        "hardware": hardware,
        "seeds": list(seeds),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "measured": True,
    }


def of_runs(
    part: str,
    what: str,
    paper: Any,
    figures: dict[str, Any],
    *,
    data: str,
    command: str,
    runs: Sequence["RunFolder"],
) -> Row:
    """A row of what runs ended with: hardware, seeds, date and commit are those of the finished.

    How many of the runs did not finish stands among the figures as `failed`.
    """
    from film_rl.run.files import read_json

    summaries = [(run, summary) for run in runs if (summary := run.summary())]

    def different(key: str) -> str:
        return "; ".join(dict.fromkeys(str(summary[key]) for _, summary in summaries))

    failed = len(runs) - len(summaries)
    row = measured(
        part,
        what,
        paper,
        {**figures, **({"failed": f"{failed} of {len(runs)}"} if failed else {})},
        data=data,
        command=command,
        hardware=different("device"),
        seeds=sorted({read_json(run.config_path)["seed"] for run, _ in summaries}),
    )
    date = max(written_on(run) for run, _ in summaries)
    return {**row, "date": date, "commit": different("commit")}


def written_on(run: "RunFolder") -> str:
    """The date of a finished run, as in 2026-11-21."""
    seconds = (run.path / "summary.json").stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def mean_of(name: str, values: Sequence[float]) -> dict[str, float]:
    """The mean as the figure `name`, and of several values their standard deviation, `name ±`."""
    spread = {name + SPREAD: round(stdev(values), 1)} if len(values) > 1 else {}
    return {name: round(mean(values), 1), **spread}


def unmeasured(part: str, what: str, paper: Any, command: str | None) -> Row:
    """A row of what nobody has measured here yet."""
    empty: Row = {**dict.fromkeys(FIELDS), "figures": {}, "seeds": [], "measured": False}
    return {**empty, "part": part, "what": what, "paper": paper, "command": command}


def read_rows(path: Path = PAPER) -> list[Row]:
    """All rows, measured or not; UserError where the file holds something else."""
    from film_rl.run import UserError
    from film_rl.run.files import read_json

    try:
        rows = read_json(path) if path.exists() else []
    except UserError as error:
        raise UserError(f"{error}; choose another file of rows with --results") from None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and row.keys() == set(FIELDS) for row in rows
    ):
        raise UserError(f"{path} is not a file of rows; choose another one with --results")
    return rows


def check_rows(path: Path) -> None:
    """Find out before hours of training whether rows can be added to a file.

    Raises:
        UserError: it holds something else, or it or its folder cannot be written.
    """
    from film_rl.run import UserError

    if not path.parent.is_dir():
        raise UserError(f"--results {path}: there is no folder {path.parent}; make it first")
    if path.is_dir() or not all(os.access(p, os.W_OK) for p in (path, path.parent) if p.exists()):
        raise UserError(f"--results {path} cannot be written; choose another one")
    read_rows(path)


def write_rows(rows: Iterable[Row], path: Path = PAPER) -> None:
    """Add rows. One takes the place of that of equal part, what and data, or of an unmeasured one.

    Rows of one part stand together, and those of one line of it, in the order in which they came.
    A row that is not measured never takes the place of one that is.

    Several processes may add to one file.

    Raises:
        ValueError: a row lacks a field, or has another one.
        UserError: the file holds something else, or cannot be written.
    """
    from film_rl.run import UserError
    from film_rl.run.files import alone_with, to_json, write_atomically

    new = list(rows)
    for row in new:
        if row.keys() != set(FIELDS):
            raise ValueError(f"a row has the fields {', '.join(FIELDS)}, not {', '.join(row)}")
    try:
        with alone_with(path):
            write_atomically(path, to_json(reduce(added, new, read_rows(path))))
    except OSError as error:
        raise UserError(
            f"cannot write the rows into {path}: {error.strerror}; all else is kept: type the same "
            "command again with another --results"
        ) from None


def added(rows: list[Row], new: Row) -> list[Row]:
    """The rows with a new one in its place; see `write_rows`."""
    of_part = [row for row in rows if row["part"] == new["part"]]
    akin = [row for row in of_part if row["what"] == new["what"]]
    if not new["measured"] and any(row["measured"] for row in akin):
        return rows
    gone = [row for row in akin if not row["measured"] or row["data"] == new["data"]]
    beside = gone or akin or of_part
    place = len(rows)
    if beside:
        place = next(n for n, row in enumerate(rows) if row is beside[-1]) + 1
    joined = [*rows[:place], new, *rows[place:]]
    return [row for row in joined if not any(row is one for one in gone)]
