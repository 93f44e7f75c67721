"""Rows of the paper: each line of it stands once a scale, and measured ones are never lost."""

import json
import os
import re
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.experiments.helpers import EXPERIMENTS

sys.path.insert(0, str(EXPERIMENTS))
from paper_rows import (
    FIELDS,
    added,
    check_rows,
    mean_of,
    measured,
    of_runs,
    read_rows,
    unmeasured,
    write_rows,
)
from row_tables import shown, table, table_name, tables

from film_rl.run import RunFolder, UserError
from film_rl.run.folder import commit
from vqa.config import VQAConfig
from vqa.variants import VARIANTS

ROOT = EXPERIMENTS.parent


def row(part: str, what: str, data: str | None = None, accuracy: float = 50.0) -> dict:
    """A measured row; without data one that is not measured."""
    if data is None:
        return unmeasured(part, what, 97.4, "python experiments/x.py")
    how = {"data": data, "command": "python experiments/x.py", "hardware": "cpu", "seeds": [0, 1]}
    return measured(part, what, 97.4, {"overall": accuracy}, **how)


written = st.builds(
    row, st.sampled_from("pq"), st.sampled_from("ab"), st.sampled_from([None, "small", "fast"]),
    st.integers(0, 100).map(float),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(written, max_size=20))
def test_the_newest_measurement_of_each_line_and_scale_is_kept_and_parts_stand_together(rows):
    kept = reduce(added, rows, [])
    last = {(r["part"], r["what"], r["data"]): r for r in rows}
    measured_lines = {(r["part"], r["what"]) for r in rows if r["measured"]}
    expected = [r for key, r in last.items() if r["measured"] or key[:2] not in measured_lines]
    assert sorted(map(json.dumps, kept)) == sorted(map(json.dumps, expected))
    for names in (["part"], ["part", "what"]):
        keys = [tuple(r[name] for name in names) for r in kept]
        together = [key for key, _ in groupby(keys)]
        assert len(together) == len(set(together))


def test_a_new_measurement_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "rows.json"
    write_rows([row("p", "a"), row("p", "b"), row("q", "c")], path)
    write_rows([row("p", "a", "small", 1.0)], path)
    write_rows([row("p", "a", "fast", 2.0), row("p", "a", "small", 3.0)], path)
    found = [(r["what"], r["data"], r["figures"].get("overall")) for r in read_rows(path)]
    assert found == [("a", "small", 3.0), ("a", "fast", 2.0), ("b", None, None), ("c", None, None)]


def test_rows_of_several_writers_are_all_kept(tmp_path):
    path = tmp_path / "rows.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write_rows([row("p", f"line {n}", "small")], path), range(40)))
    assert {r["what"] for r in read_rows(path)} == {f"line {n}" for n in range(40)}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere/rows.json", "there is no folder .*nowhere"),
        ("folder", "cannot be written"),
        ("other.json", "is not a file of rows"),
        ("damaged.json", "is not valid JSON"),
    ],
)
def test_where_no_rows_can_be_added_is_told_beforehand(name, told, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "damaged.json").write_text("[{")
    with pytest.raises(UserError, match=told):
        check_rows(tmp_path / name)
    check_rows(tmp_path / "new.json")


def test_a_row_of_another_form_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError, match="a row has the fields part, what"):
        write_rows([{"part": "p"}], tmp_path / "rows.json")
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_runs_has_their_date_their_hardware_and_the_seeds_of_those_that_finished(tmp_path):
    runs = [RunFolder.create(tmp_path / str(seed), VQAConfig(seed=seed)) for seed in (4, 5, 6)]
    for run, device, day in zip(runs[:2], ("a GPU", "a CPU"), (86_400, 2 * 86_400), strict=True):
        os.utime(run.write_summary({"device": device}), (day, day))
    (tmp_path / "6" / "failed.json").write_text('{"failed": "NaN"}')
    how = {"data": "small", "command": "python experiments/x.py", "runs": runs}
    row = of_runs("p", "a", 97.4, mean_of("overall", [50.0, 60.0]), **how)
    assert row.keys() == set(FIELDS)
    assert row["figures"] == {"overall": 55.0, "overall ±": 7.1, "failed": "1 of 3"}
    assert (row["seeds"], row["date"]) == ([4, 5], "1970-01-03")
    assert (row["hardware"], row["commit"]) == ("a GPU; a CPU", str(commit()))


def test_figures_are_shown_with_their_spread():
    assert shown({"overall": 63.6, "overall ±": 0.4, "n": 12345}) == "overall 63.6 ± 0.4; n 12,345"
    assert (shown(None), shown(97.4), shown("a curve")) == ("-", "97.4", "a curve")


COMMAND = "`python experiments/x.py`"
HEAD = "|  | published | measured here | on | command | hardware, seeds, date |"


def test_a_table_says_what_was_measured_how_and_where():
    head, _, here, not_yet = table([row("p", "a", "small"), row("p", "b")]).splitlines()
    date = row("p", "a", "small")["date"]
    assert head == HEAD
    assert here == f"| a | 97.4 | overall 50.0 | small | {COMMAND} | cpu; seeds 0, 1; {date} |"
    assert not_yet == f"| b | 97.4 |  |  | {COMMAND} | not measured |"


def test_what_measured_rows_have_in_common_stands_above_the_table():
    same = [row("p", name, "small") for name in "ab"]
    above, _, head, _, first, *_ = table([*same, row("p", "c")]).splitlines()
    date = same[0]["date"]
    assert above == "Measured on: small; cpu."
    assert head == HEAD.replace(" on |", "").replace("hardware, ", "")
    assert first == f"| a | 97.4 | overall 50.0 | {COMMAND} | seeds 0, 1; {date} |"
    above, *_ = table([*same, row("p", "c", "large")]).splitlines()
    assert above == "Measured on: cpu."


def test_few_figures_have_a_column_each_with_the_published_ones_in_brackets():
    figures = {"A": 1.5, "A ±": 0.2, "B": 2}
    here = {**row("p", "a", "small"), "figures": figures, "paper": {"A": 98.3, "C": 80}}
    not_yet = {**row("p", "b"), "paper": "a remark"}
    above, _, head, _, first, second = table([here, not_yet]).splitlines()
    date = here["date"]
    assert above == "In brackets: published."
    assert head.startswith("|  | published | A | B | C | on |")
    where = f"small | {COMMAND} | cpu; seeds 0, 1; {date} |"
    assert first == f"| a |  | 1.5 ± 0.2 (98.3) | 2 | - (80) | {where}"
    assert second == f"| b | a remark |  |  |  |  | {COMMAND} | not measured |"
    many = {**here, "figures": {f"f{n}": n for n in range(9)}}
    assert "| f0 0; f1 1; f2 2; " in table([many])


def test_every_row_of_the_paper_is_whole_and_stands_in_the_document():
    rows = read_rows()
    marked = set(re.findall(r"<!-- table: (\w+) -->", (ROOT / "docs" / "paper.md").read_text()))
    assert {table_name(r["part"]) for r in rows} == marked == tables().keys()
    for r in rows:
        assert r.keys() == set(FIELDS)
        if r["command"]:
            script = ROOT / shlex.split(r["command"])[1]
            assert script.parent == EXPERIMENTS
            assert script.is_file() or not r["measured"]
        if r["measured"]:
            how = ("figures", "data", "command", "hardware", "seeds", "date")
            assert all(r[name] for name in how)
        else:
            assert not r["figures"]


def test_every_variant_is_a_row_with_its_published_number():
    rows = {(r["part"], r["what"]): r["paper"] for r in read_rows()}
    for variant in VARIANTS.values():
        assert rows[variant.part, variant.title] == variant.published
