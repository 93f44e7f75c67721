"""Rows of paper.json and its like as tables of a document; what a row is: paper_rows.py."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paper_rows import PAPER, SPREAD, Row, read_rows

FEW = 8  # figures that get a column each
ABOVE = ("data", "hardware")  # said once where it is so for all


def tables(path: Path = PAPER) -> dict[str, str]:
    """The table of each part by its name in a document: `paper_table_2`."""
    rows = read_rows(path)
    parts = dict.fromkeys(row["part"] for row in rows)
    return {table_name(part, path): table([r for r in rows if r["part"] == part]) for part in parts}


def table_name(part: str, path: Path = PAPER) -> str:
    """What a document calls the table of a part of a file."""
    return f"{path.stem}_" + re.sub(r"\W+", "_", part.lower())


def table(rows: Sequence[Row]) -> str:
    """A line a row, in Markdown; few figures have a column each, the published ones in brackets.

    What all measured rows have in common of their data and hardware stands above the table.
    """
    names, common = _names(rows), _common(rows)
    columns = {"": [row["what"] for row in rows]}
    if 1 < len(names) <= FEW:
        columns["published"] = ["" if _by_name(row) else shown(row["paper"]) for row in rows]
        columns |= {name: [_beside(row, name) for row in rows] for name in names}
    else:
        columns["published"] = [shown(row["paper"]) for row in rows]
        columns["measured here"] = [shown(row["figures"]) for row in rows]
    hardware = "" if "hardware" in common else "hardware, "
    columns |= {
        "on": ["" if "data" in common else row["data"] or "" for row in rows],
        "command": [f"`{row['command']}`" if row["command"] else "not built here" for row in rows],
        f"{hardware}seeds, date": [_where(row, bool(hardware)) for row in rows],
    }
    filled = {name: cells for name, cells in columns.items() if {*cells} - {"", "-"}}
    lines = [filled, ["---"] * len(filled), *zip(*filled.values(), strict=True)]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    brackets = any("(" in cell for name in names for cell in columns.get(name, ()))
    above = ["In brackets: published."] * brackets
    above += [f"Measured on: {'; '.join(common.values())}."] * bool(common)
    return f"{' '.join(above)}\n\n{text}" if above else text


def shown(value: Any) -> str:
    """Figures as a reader likes them: `overall 63.6 ± 0.4; count 50.1`; a dash where none are."""
    if value is None:
        return "-"
    if not isinstance(value, dict):
        return f"{value:,}" if isinstance(value, int | float) else str(value)
    return "; ".join(f"{name} {_one(value, name)}" for name in value if not name.endswith(SPREAD))


def _one(figures: Mapping[str, Any], name: str) -> str:
    spread = figures.get(name + SPREAD)
    return shown(figures[name]) + (f" ± {shown(spread)}" if spread else "")


def _names(rows: Sequence[Row]) -> list[str]:
    """Of all figures, measured or published."""
    every = (name for row in rows for of in (row["figures"], _by_name(row)) for name in of)
    return [name for name in dict.fromkeys(every) if not name.endswith(SPREAD)]


def _by_name(row: Row) -> dict[str, Any]:
    return row["paper"] if isinstance(row["paper"], dict) else {}


def _beside(row: Row, name: str) -> str:
    """A figure and, in brackets, the published one."""
    ours = _one(row["figures"], name) if name in row["figures"] else "-" * row["measured"]
    theirs = f"({shown(_by_name(row)[name])})" if name in _by_name(row) else ""
    return f"{ours} {theirs}".strip()


def _common(rows: Sequence[Row]) -> dict[str, str]:
    """What several measured rows all have, of that which may stand above the table."""
    done = [row for row in rows if row["measured"]]
    alike = {name: {row[name] for row in done} for name in ABOVE}
    return {name: one.pop() for name, one in alike.items() if len(one) == 1 < len(done)}


def _where(row: Row, hardware: bool) -> str:
    if not row["measured"]:
        return "not measured"
    seeds = ", ".join(map(str, row["seeds"]))
    on = f"{row['hardware']}; " if hardware else ""
    return f"{on}seed{'s' * (len(row['seeds']) > 1)} {seeds}; {row['date']}"
