"""What came out of a sweep: a table beside the published numbers, pictures, rows of paper.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, mode
from typing import Any

import sweep_picture
from clevr_sweep import Line
from paper_rows import SPREAD, Row, mean_of, of_runs, write_rows
from row_tables import shown

from film_rl.run import Sweep
from film_rl.run.folder import slug
from vqa.config import VQAConfig
from vqa.evaluation import COLUMNS

BROKEN_DOWN = "table 1"  # the part whose rows have the five categories of questions too


@dataclass(frozen=True)
class Outcome:
    """What is known of a line.

    Attributes:
        line: which.
        summaries: of its finished runs, by seed.
        failures: of its failed runs, what went wrong, by seed.
        seeds: of all its runs.
    """

    line: Line
    summaries: dict[int, dict[str, Any]]
    failures: dict[int, str]
    seeds: Sequence[int]

    @property
    def figures(self) -> dict[str, Any]:
        """Mean accuracies in percent, and the standard deviation of the overall one."""
        if not self.summaries:
            return {}
        columns = COLUMNS if self.line.part == BROKEN_DOWN else COLUMNS[:1]
        figures: dict[str, Any] = {}
        for column in columns:
            values = [accuracy(one, column) for one in self.summaries.values()]
            known = [value for value in values if value is not None]
            if known:  # a spread of the overall accuracy only
                figures |= mean_of(column, known if column == COLUMNS[0] else [mean(known)])
        return figures

    @property
    def is_complete(self) -> bool:
        """Whether every run has ended, and not all of them by failing."""
        ended = len(self.summaries) + len(self.failures)
        return ended == len(self.seeds) and bool(self.summaries)


def report(
    sweep: Sweep[VQAConfig], lines: Sequence[Line], seeds: Sequence[int], results: Path
) -> None:
    """Print and draw a table a part, write the rows of complete lines, and say where all lies."""
    outcomes = [outcome_of(sweep, line, seeds) for line in lines]
    files = []
    for part in dict.fromkeys(line.part for line in lines):
        of_part = [outcome for outcome in outcomes if outcome.line.part == part]
        print(f"\n{text_table(part, of_part)}")
        with sweep.alone():
            files.append(draw(part, of_part, sweep.path / f"{slug(part)}.png"))
    rows = [row_of(sweep, outcome) for outcome in outcomes if outcome.is_complete]
    write_rows(rows, results)
    print("", f"runs: {sweep.path}", *(f"picture: {file}" for file in files), sep="\n")
    print(f"rows: {results}, {len(rows)} of {len(lines)} lines; python experiments/report.py puts")
    print("those of docs/results/paper.json into docs/paper.md", flush=True)


def outcome_of(sweep: Sweep[VQAConfig], line: Line, seeds: Sequence[int]) -> Outcome:
    """What its runs have ended with so far."""
    ended = {seed: sweep.outcome(f"{line.runs}/{seed}") for seed in seeds}
    return Outcome(
        line,
        {seed: one for seed, one in ended.items() if one and "failed" not in one},
        {seed: one["failed"] for seed, one in ended.items() if one and "failed" in one},
        seeds,
    )


def accuracy(summary: dict[str, Any], column: str) -> float | None:
    """In percent, over all questions or those of a category; None where there are none of it."""
    evaluation = summary["evaluation"]
    row = evaluation["overall"] if column == "overall" else evaluation["category"].get(column)
    return 100 * row["accuracy"] if row else None


def text_table(part: str, outcomes: Sequence[Outcome]) -> str:
    """A line a row: accuracy here, the published one; in table 1 each category with its own."""
    columns = COLUMNS[1:] if part == BROKEN_DOWN else ()
    cells = [["", "here", "published", *columns]]
    for outcome in outcomes:
        figures, published = outcome.figures, outcome.line.published
        of = published if isinstance(published, dict) else {"overall": published}
        row = [outcome.line.what, _overall(outcome), shown(of.get("overall"))]
        row += [f"{shown(figures.get(c))} ({shown(of.get(c))})" for c in columns]
        cells.append(row)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    seeds = ", ".join(map(str, outcomes[0].seeds))
    title = f"{part}: accuracy in %, mean ± standard deviation over the seeds {seeds}"
    padded = ([c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in cells)
    lines = ["  ".join(row).rstrip() for row in padded]
    told = [
        f"{outcome.line.what}, seed {seed}, failed: {message}"
        for outcome in outcomes
        for seed, message in outcome.failures.items()
    ]
    brackets = ["in brackets: published"] if columns else []
    return "\n".join([title, *lines, *brackets, *told])


def _overall(outcome: Outcome) -> str:
    figures, runs = outcome.figures, len(outcome.seeds)
    spread = figures.get("overall" + SPREAD)
    text = shown(figures.get("overall")) + (f" ± {shown(spread)}" if spread is not None else "")
    if outcome.failures:
        return f"{text} ({len(outcome.failures)} of {runs} failed)"
    done = len(outcome.summaries)
    return text if done == runs else f"{text} ({done} of {runs} done)"


def draw(part: str, outcomes: Sequence[Outcome], path: Path) -> Path:
    """The picture of a table; its path."""
    data = mode(data_of(outcome.line.config) for outcome in outcomes)
    return sweep_picture.draw(f"{part}: {data}", [_mark(outcome) for outcome in outcomes], path)


def _mark(outcome: Outcome) -> sweep_picture.Mark:
    runs = [100 * one["accuracy"] for one in outcome.summaries.values()]
    published = outcome.line.published
    number = published.get("overall") if isinstance(published, dict) else published
    known = number if isinstance(number, int | float) else None
    return sweep_picture.Mark(outcome.line.what, runs, known)


def row_of(sweep: Sweep[VQAConfig], outcome: Outcome) -> Row:
    """A complete line as a row of paper.json."""
    line = outcome.line
    return of_runs(
        line.part,
        line.what,
        line.published,
        outcome.figures,
        data=data_of(line.config),
        command=line.command,
        runs=[sweep.runs[f"{line.runs}/{seed}"] for seed in outcome.seeds],
    )


def data_of(config: VQAConfig) -> str:
    """What is trained and tested on, and for how long."""
    length = f"{config.steps:,} steps" if config.steps else f"{config.epochs} epochs"
    if config.data is None:
        size = f"{config.image_size}x{config.image_size}"
        return (
            f"generated, {config.train_images:,} images of {size}, {length} of {config.batch_size}"
        )
    splits = f"{config.train_split} and {config.val_split}"
    return f"{Path(config.data).name}, {splits}, {length} of {config.batch_size}"
