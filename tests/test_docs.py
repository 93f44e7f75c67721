"""The documents say what is so: tables come from rows, code runs, links lead somewhere."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st

from agents.config import AgentConfig
from agents.training import train
from film_rl.run import RunFolder
from film_rl.run.metrics import read_metrics
from vqa.config import fast, paper, small

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.fixture(scope="module")
def report():
    sys.path.insert(0, str(ROOT / "experiments"))  # where the scripts find each other
    yield importlib.import_module("report")
    sys.path.pop(0)


def test_every_table_is_what_its_rows_say(report):
    for document in report.DOCUMENTS:
        text = document.read_text()
        assert report.MARKED.search(text)
        assert report.filled(text) == text


def test_every_document_with_a_table_is_written_anew(report):
    assert {d for d in DOCUMENTS if report.MARKED.search(d.read_text())} == set(report.DOCUMENTS)


def test_every_row_of_clevr_says_how_it_was_measured_and_stands_in_one_table(report):
    pages = [(ROOT / "docs" / name).read_text() for name in ("clevr.md", "benchmarks.md")]
    for path in report.clevr_files():
        for row in report.rows_of(path):
            assert (ROOT / shlex.split(row["command"])[1]).is_file()
            assert {"what", "figures", "measured"} <= row.keys()
            assert not row["measured"] or (row["hardware"] and row["date"])
            tables = sum(page.count(f"| {row['what']} |") for page in pages)
            assert tables == (0 if path == report.STATISTICS else 1)


def test_a_file_may_hold_one_row_or_several_measured_or_not(report, tmp_path):
    row = {"what": "steps", "command": "c", "hardware": "h", "date": "d", "measured": True}
    row["figures"] = {"alone": 1234, "all": {"plain": 1.5, "fast": "3 s"}}
    content = {"one.json": row, "two.json": [row, {**row, "measured": False, "what": "on a GPU"}]}
    for name, rows in content.items():
        (tmp_path / name).write_text(json.dumps(rows))
    lines = report.figures_table(sorted(tmp_path.iterdir())).splitlines()
    measured = "| steps | alone: 1,234; all, plain: 1.5; all, fast: 3 s | `c` | h | d |"
    assert lines[2:] == [measured, measured, "| on a GPU | not measured | `c` |"]


def test_the_page_of_statistics_shows_every_kind_of_figure_but_the_long_ones(report):
    (row,) = report.rows_of(report.STATISTICS)
    page = (ROOT / "docs" / "clevr_statistics.md").read_text()
    shown = {m[1].removeprefix("statistics_") for m in re.finditer(r"<!-- table: (\w+)", page)}
    assert row["figures"].keys() - shown == {"tokens", "functions", "families"}


@given(
    lucky=st.integers(0, 30),
    before=st.lists(st.floats(0, 0.85), min_size=1, max_size=30),
    after=st.integers(0, 30),
)
def test_the_episodes_to_99_are_those_of_the_first_ten_updates_that_good(
    report, lucky, before, after
):
    rates = [*[1.0] * lucky, *before, *[1.0] * after]
    records = [
        {"step": update, "rollout/success_rate": rate, "rollout/episodes": 7.0 * update}
        for update, rate in enumerate(rates)
    ]
    episodes = report.episodes_to_99([{"step": 0}, *records])
    assert episodes == (7 * (lucky + len(before) + 9) if after >= 10 else None)


@given(rates=st.lists(st.floats(0, 0.99), max_size=200))
def test_a_curve_has_few_points_and_keeps_the_mean(report, rates):
    records = [{"step": 3 * n, "rollout/success_rate": rate} for n, rate in enumerate(rates)]
    curve = report.curve([{"step": 0}, *records])
    steps = [step for step, _ in curve]
    assert len(curve) <= report.POINTS
    assert steps == sorted(set(steps))
    sizes = np.diff([-3, *steps]) / 3
    total = sum(size * success for size, (_, success) in zip(sizes, curve, strict=True))
    assert sum(sizes) == len(rates)
    assert total == pytest.approx(sum(rates), abs=1e-3 * len(rates) + 1e-9)


def test_every_row_says_how_it_was_measured(report):
    rows = report.read_rows()
    assert rows
    for row in rows:
        assert row["command"].startswith("python experiments/")
        if row["measured"]:
            assert {"seed", "hardware", "date", "commit", "episodes"} <= row.keys()
            assert 0 <= row["success_sampled"] <= 1


def test_a_row_s_command_makes_the_same_run(report):
    """Typed again, it gives the configuration it was made from."""
    config = AgentConfig(
        instr=("go to the {color} {object}", "open the red door"),
        room_size=6,
        learning_rate=0.003,
        conditioning="gate",
    )
    words = shlex.split(report.of_agent(config))
    assert words[:2] == ["python", "experiments/babyai_ppo.py"]
    assert tyro.cli(AgentConfig, args=words[2:]) == config


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (small(), ""),
        (replace(small(), cache="elsewhere", device="cpu"), " --device cpu"),
        (
            replace(small(), film_blocks=(True, False, True), residual=False, seed=4),
            " --film-blocks True False True --no-residual --seed 4",
        ),
        (replace(paper(), data="my CLEVR"), " --preset paper --data 'my CLEVR'"),
        (replace(fast(), channels=64, seed=2), " --preset fast --channels 64 --seed 2"),
    ],
)
def test_a_run_of_the_answerer_becomes_a_row_that_says_how_to_repeat_it(
    report, config, words, tmp_path, monkeypatch
):
    answerers = tmp_path / "rows.json"
    monkeypatch.setattr(report, "ANSWERERS", answerers)
    answerers.write_text("[]")
    run = RunFolder.create(tmp_path / "run", config)
    figures = {"accuracy": 0.5, "question_only": None, "images_swapped": 0.25, "questions": 1000}
    run.write_summary({**figures, "seed": config.seed, "seconds": {"data": 1.6}, "device": "cpu"})
    for _ in range(2):
        report.add_answerer(run, run.summary())
    (row,) = json.loads(answerers.read_text())
    assert row["command"] == f"python experiments/clevr_train.py{words}"
    percent = {"FiLM": "50.0%", "images swapped between scenes": "25.0%"}
    assert row["figures"] == {**percent, "data": "2 s"}
    assert row["what"].startswith("the default preset on") == (not words)
    assert row["what"].endswith(f"on 1,000 held-out questions, seed {config.seed}")
    monkeypatch.setattr(sys, "argv", shlex.split(row["command"])[1:])
    typed = importlib.import_module("clevr_train").read_options()
    assert all(getattr(typed, k) == v for k, v in vars(config).items() if k != "cache")


@pytest.mark.parametrize("number", [0, 1])
def test_the_readme_s_code_runs(number, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    command = [sys.executable, "-W", "error", "-c", blocks[number]]
    subprocess.run(command, check=True, cwd=tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_every_logged_metric_is_explained(tmp_path):
    config = AgentConfig(
        instr=("go to the red ball",),
        steps=256,
        envs=2,
        batch_size=40,
        channels=4,
        levels=64,
        refresh=64,
    )
    run = RunFolder.create(tmp_path / "run", config)
    with run:
        train(config, run)
    logged = {name for record in read_metrics(run.path) for name in record}
    explained = set(re.findall(r"`([a-z_/]+)`", (ROOT / "docs" / "metrics.md").read_text()))
    assert logged
    assert logged <= explained
