"""Turn measured runs into the tables of the documents: no figure is typed by hand.

    python experiments/report.py --add runs/go-to-the-red-ball    # a finished run becomes a row
    python experiments/report.py                                  # write the tables anew

Rows of agents live in docs/results/babyai_ppo.json, figures of CLEVR in clevr_*.json beside it: a
row a file or a list of rows. Those of clevr_*_speed.json make the table `speed`, the others the
table `clevr`; each table in clevr_statistics.json is one of its own, `statistics_NAME`, and so is
each part of the paper in paper.json, `paper_PART`, and of babyai_studies.json. Rows of babyai.json
make `babyai_suite`, and a picture. A document holds a table between
`<!-- table: NAME -->` and `<!-- end -->`. A test fails when a document differs from them.
"""

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import babyai_rows
import cli
import paper_rows
import published
import row_tables
from commands import answerer_options, of_agent

from agents.config import AgentConfig
from vqa.config import VQAConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder

ROOT = Path(__file__).parent.parent
RESULTS, MEDIA = ROOT / "docs" / "results", ROOT / "docs" / "media"
ROWS = RESULTS / "babyai_ppo.json"
AGENT_SPEED = RESULTS / "babyai_speed.json"
DEMONSTRATIONS = RESULTS / "demonstrations.json"
ANSWERERS = RESULTS / "clevr_small.json"
STATISTICS = RESULTS / "clevr_statistics.json"
DOCUMENTS = (
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "babyai",
            "benchmarks",
            "clevr",
            "clevr_statistics",
            "demonstrations",
            "paper",
        )
    ),
)
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

SMOOTHED, POINTS = 10, 60  # updates

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What to report."""

    add: tuple[Path, ...] = ()
    """Finished runs to add as rows; one of the same command and seed replaces the older row."""


def main() -> None:
    """Add the rows asked for, then write every table anew."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import RunFolder, UserError

        rows = read_rows()
        for run in map(RunFolder.existing, options.add):
            summary = run.summary()
            if summary is None:
                raise UserError(f"{run.path} is not finished; go on with --run {run.path} --resume")
            if "question_only" in summary:
                add_answerer(run, summary)
                continue
            new = row_of(run, summary)
            same = ("command", "seed", "hardware")
            rows = [row for row in rows if any(row[key] != new[key] for key in same)] + [new]
        rows.sort(key=lambda row: (row["command"], row["hardware"], row["seed"]))
        ROWS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        if options.add:
            from level_curves import draw

            draw(rows, MEDIA / "babyai_levels.png")
        draw_pictures()
        for document in DOCUMENTS:
            document.write_text(filled(document.read_text(encoding="utf-8")), encoding="utf-8")


def draw_pictures() -> None:
    """Draw anew what stands beside the tables of docs/babyai.md."""
    import babyai_generalisation as generalisation
    import imitation_picture

    if suite := [row for row in babyai_rows.read_rows() if row["measured"]]:
        babyai_rows.draw_curves(suite, MEDIA / babyai_rows.PICTURE)
    studies = [row for row in paper_rows.read_rows(paper_rows.STUDIES) if row["measured"]]
    if taught := [row for row in studies if row["part"].startswith(imitation_picture.PART)]:
        imitation_picture.draw(taught, MEDIA / imitation_picture.PICTURE)
    if tests := [row for row in studies if row["command"] == generalisation.COMMAND]:
        generalisation.draw(tests, MEDIA / generalisation.PICTURE)


def read_rows() -> list[Row]:
    """All rows, measured or not."""
    return list(json.loads(ROWS.read_text(encoding="utf-8")))


def add_answerer(run: "RunFolder", summary: Row) -> None:
    """Add a finished run of the question answerer; it replaces the older row of its kind."""
    options, seed = answerer_options(run.config(VQAConfig)), summary["seed"]
    words = ["python", "experiments/clevr_train.py", *options]
    words += ["--seed", str(seed)] if seed else []
    which = shlex.join(["clevr_train.py", *options]) if options else "the default preset"
    percent = {
        "FiLM": summary["accuracy"],
        "question-only LSTM": summary["question_only"],
        "images swapped between scenes": summary["images_swapped"],
    }
    figures = {name: f"{value:.1%}" for name, value in percent.items() if value is not None}
    seconds = {name: f"{value:.0f} s" for name, value in summary["seconds"].items()}
    row = {
        "what": f"{which} on {summary['questions']:,} held-out questions, seed {seed}",
        "command": shlex.join(words),
        "hardware": summary["device"],
        "date": paper_rows.written_on(run),
        "figures": {**figures, **seconds},
        "measured": True,
    }
    others = [other for other in rows_of(ANSWERERS) if other["what"] != row["what"]]
    rows = sorted([*others, row], key=lambda row: row["what"])
    ANSWERERS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def row_of(run: "RunFolder", summary: Row) -> Row:
    """A finished run of an agent as a row."""
    from film_rl.run.metrics import read_metrics

    config, records = run.config(AgentConfig), read_metrics(run.path)
    return {
        "what": summary["task"],
        "command": of_agent(config),
        "seed": config.seed,
        "measured": True,
        "success_sampled": summary["sampled"]["overall"]["success_rate"],
        "success_argmax": summary["argmax"]["overall"]["success_rate"],
        "episodes": summary["episodes"],
        "language_control": summary["language_control"]["named_rate"],
        "timesteps": summary["timesteps"],
        "episodes_to_99": episodes_to_99(records),
        "curve": curve(records),
        "train_seconds": summary["wall_seconds"],
        "steps_per_second": summary["steps_per_second"],
        "hardware": summary["device"],
        "date": paper_rows.written_on(run),
        "commit": summary["commit"],
    }


def telling(records: list[Row]) -> list[Row]:
    """Updates from the first failed episode on: until then only short, lucky ones have ended."""
    updates = (one for one in records if "rollout/success_rate" in one)
    return list(dropwhile(lambda one: one["rollout/success_rate"] == 1, updates))


def episodes_to_99(records: list[Row]) -> int | None:
    """Episodes of training until 99% succeed, the mean of ten updates' last hundred episodes."""
    updates = telling(records)
    rates = [one["rollout/success_rate"] for one in updates]
    for last in range(SMOOTHED, len(updates) + 1):
        if sum(rates[last - SMOOTHED : last]) >= 0.99 * SMOOTHED:
            return int(updates[last - 1]["rollout/episodes"])
    return None


def curve(records: list[Row]) -> list[list[float]]:
    """At most `POINTS` of (steps, success of training's episodes until there since the last)."""
    updates = telling(records)
    size = max(1, -(-len(updates) // POINTS))
    chunks = [updates[start : start + size] for start in range(0, len(updates), size)]
    return [
        [some[-1]["step"], round(mean(one["rollout/success_rate"] for one in some), 4)]
        for some in chunks
    ]


def filled(document: str) -> str:
    """The document with its tables written anew."""
    rows, clevr = read_rows(), clevr_files()
    speeds = [path for path in clevr if path.stem.endswith("_speed")]
    (statistics,) = rows_of(STATISTICS)
    paper = row_tables.tables() | row_tables.tables(paper_rows.STUDIES) | babyai_rows.tables()
    tables: dict[str, Callable[[], str]] = {
        "results": lambda: results_table(rows),
        "commands": lambda: commands_table(rows),
        "clevr": lambda: figures_table([p for p in clevr if p not in {*speeds, STATISTICS}]),
        "speed": lambda: figures_table(speeds),
        "agent_speed": lambda: figures_table([AGENT_SPEED]),
        "demonstrations": lambda: figures_table([DEMONSTRATIONS]),
        "statistics": lambda: measured_by(statistics),
        **{
            f"statistics_{name}": partial(grid, table)
            for name, table in statistics["figures"].items()
        },
        **{name: partial(str, table) for name, table in paper.items()},
    }
    return MARKED.sub(lambda m: f"{m[1]}{tables[m[2]]()}{m[3]}", document)


def clevr_files() -> list[Path]:
    """The files of CLEVR's figures, in the order of their names."""
    return sorted(RESULTS.glob("clevr_*.json"))


def rows_of(path: Path) -> list[Row]:
    """What a file of figures holds: one row, or several."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, list) else [content]


def results_table(rows: list[Row]) -> str:
    """One line a command and machine; figures of several seeds side by side."""
    lines = [
        "| task | success, sampled | argmax | named object first | steps | training "
        "| episodes to 99% | published | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group in grouped(rows):
        first = group[0]
        if not first["measured"]:
            lines.append(f"| {first['what']} on {first['hardware']} | not measured | | | | | | | |")
            continue
        seconds = ", ".join(f"{row['train_seconds']:.0f}" for row in group)
        seeds = ", ".join(str(row["seed"]) for row in group)
        lines.append(
            f"| {first['what']} | {percents(group, 'success_sampled')} "
            f"| {percents(group, 'success_argmax')} | {percents(group, 'language_control')} "
            f"| {first['timesteps']:,} | {seconds} s "
            f"| {', '.join(number(row['episodes_to_99']) for row in group)} "
            f"| {number(published.episodes_to_99(first['what']))} | {seeds} |"
        )
    return "\n".join(lines) + "\n"


def commands_table(rows: list[Row]) -> str:
    """How each line of the results was measured."""
    lines = []
    for group in grouped(rows):
        first = group[0]
        if first["measured"]:
            how = (
                f"{first['hardware']}; {first['episodes']} fresh episodes a figure; "
                f"{', '.join(sorted({row['date'] for row in group}))}; "
                f"commit {', '.join(sorted({short(row['commit']) for row in group}))}"
            )
        else:
            how = f"not measured ({first['hardware']})"
        seeds = (
            "" if len(group) == 1 else f" (with --seed {', '.join(str(r['seed']) for r in group)})"
        )
        lines.append(f"- **{first['what']}**{seeds}: {how}\n\n      {first['command']}\n")
    return "\n".join(lines) + "\n"


def figures_table(paths: Iterable[Path]) -> str:
    """One line a row of the files, its figures side by side."""
    lines = ["| what | figures | command | hardware | date |", "| --- | --- | --- | --- | --- |"]
    for row in (row for path in paths for row in rows_of(path)):
        figures = "; ".join(f"{name}: {number(value)}" for name, value in flat(row["figures"]))
        measured = (figures, row["hardware"], row["date"]) if row["measured"] else ("not measured",)
        what, command, (first, *rest) = row["what"], f"`{row['command']}`", measured
        lines.append(f"| {' | '.join((what, first, command, *rest))} |")
    return "\n".join(lines) + "\n"


def measured_by(row: Row) -> str:
    """What was measured, how, where and when, in one line."""
    return f"{row['what']}: `{row['command']}`; {row['hardware']}; {row['date']}.\n"


def grid(table: dict[str, Row]) -> str:
    """A table of figures as it is: a line a row, under the names of its columns."""
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    lines = [f"| | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for name, row in table.items():
        cells = (number(row.get(column)) for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def number(value: Any) -> str:
    """A figure as a reader likes it: thousands apart; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def flat(figures: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The figures, those within figures after their group's name."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from ((f"{name}, {inner}", one) for inner, one in flat(value))
        else:
            yield name, value


def short(commit: str | None) -> str:
    """A commit in eight letters, with its `+` where files differed from it."""
    return "unknown" if commit is None else commit[:8] + "+" * commit.endswith("+")


def grouped(rows: list[Row]) -> list[list[Row]]:
    """Rows that differ in the seed only belong together."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["command"], row["hardware"]].append(row)
    return list(groups.values())


def percents(group: list[Row], key: str) -> str:
    """The figure of each seed in percent; a dash where there is nothing to measure."""
    return ", ".join("-" if row[key] is None else f"{row[key]:.1%}" for row in group)


if __name__ == "__main__":
    main()
