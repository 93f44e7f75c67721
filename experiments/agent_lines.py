"""Agents that are compared: a line of a table each, several seeds a line, and all their curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from agent_sweep import AgentSweepOptions, open_sweep, train_and_assess, work
from paper_rows import STUDIES, check_rows, mean_of, of_runs, write_rows
from row_tables import table

from agents.config import AgentConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder, Sweep

Scores = Mapping[str, Mapping[str, Any]]
"""By the name of the actions, sampled or argmax, what `Score.to_json` has of all episodes."""


@dataclass(frozen=True)
class LineOptions(AgentSweepOptions):
    """What is typed of the agents, and where they and their rows live."""

    results: Path = STUDIES
    """The file that the rows go to."""


@dataclass(frozen=True)
class Line:
    """Agents that differ in their seed alone.

    Attributes:
        part: the table it is in.
        panel: the panel its learning curves are in.
        what: what distinguishes it from the other lines.
        runs: what its runs are called; a seed follows.
        config: all but the seed.
        command: how to make this line alone.
        figures: what else its row tells, beside the success.
    """

    part: str
    panel: str
    what: str
    runs: str
    config: AgentConfig
    command: str
    figures: Mapping[str, Any]


def compare(options: LineOptions, name: str, lines: Sequence[Line], title: str) -> None:
    """Train all lines, or go on with them; then print tables, draw curves, write rows.

    Args:
        options: the seeds, the folder of the runs and the file of the rows.
        name: of the folder below runs/ where none is given.
        lines: what to train.
        title: over the curves.

    Raises:
        UserError: an option makes no sense, or the folder holds another sweep.
    """
    check_rows(options.results)  # now, not only after hours of training
    configs = {
        f"{line.runs}/{seed}": replace(line.config, seed=seed)
        for seed in options.all_seeds
        for line in lines
    }
    sweep = open_sweep(options, name, configs)
    work(sweep, train_and_assess, lambda: report(options, lines, title, sweep))


def report(
    options: LineOptions, lines: Sequence[Line], title: str, sweep: "Sweep[AgentConfig]"
) -> None:
    """Print the tables, draw the curves, write the rows of lines that are done."""
    ended = {line.runs: _ended(options, line, sweep) for line in lines}
    done = [
        line
        for line in lines
        if len(ended[line.runs]) == options.seeds and any(run.summary() for run in ended[line.runs])
    ]
    rows = [_row(line, ended[line.runs]) for line in done]
    write_rows(rows, options.results)
    for part in dict.fromkeys(row["part"] for row in rows):
        print(f"\n{part}\n\n{table([row for row in rows if row['part'] == part])}")
    if rows:
        print(f"picture: {_draw(lines, ended, title, sweep.path / 'curves.png')}")
    print(f"runs: {sweep.path}\nrows: {options.results}, {len(rows)} of {len(lines)} lines")


def success(seeds: Sequence[Scores]) -> dict[str, Any]:
    """Percent of the episodes that succeed: means over the seeds, and their standard deviations.

    The interval is that of the sampled actions in all seeds' episodes together (Wilson, 95%).
    """
    from agents.evaluation import wilson_interval

    percent = {
        actions: [100 * one[actions]["success_rate"] for one in seeds]
        for actions in ("sampled", "argmax")
    }
    episodes = [one["sampled"]["episodes"] for one in seeds]
    pairs = zip(percent["sampled"], episodes, strict=True)
    low, high = wilson_interval(round(sum(p * n / 100 for p, n in pairs)), sum(episodes))
    return {
        **mean_of("sampled", percent["sampled"]),
        "95% from": round(100 * low, 1),
        "to": round(100 * high, 1),
        **mean_of("argmax", percent["argmax"]),
        "episodes": sum(episodes),
    }


def overall(runs: Sequence["RunFolder"]) -> list[Scores]:
    """What finished runs scored in all their episodes."""
    summaries = [summary for run in runs if (summary := run.summary())]
    return [{of: one[of]["overall"] for of in ("sampled", "argmax")} for one in summaries]


def _ended(options: LineOptions, line: Line, sweep: "Sweep[AgentConfig]") -> "list[RunFolder]":
    """The runs of a line that have an outcome; all of them, or the line is not done."""
    names = [f"{line.runs}/{seed}" for seed in options.all_seeds]
    return [sweep.runs[name] for name in names if sweep.outcome(name)]


def _row(line: Line, runs: "Sequence[RunFolder]") -> dict[str, Any]:
    """A line as a row of docs/results/babyai_studies.json."""
    curves = [curve for run in runs if run.summary() and (curve := _curve(run))]
    learning = [100 * mean(rate for _, rate in curve) for curve in curves]
    return of_runs(
        line.part,
        line.what,
        None,
        {
            **success(overall(runs)),
            **(mean_of("in training", learning) if learning else {}),
            **line.figures,
        },
        data=f"{line.config.view}, {line.config.steps:,} steps",
        command=line.command,
        runs=runs,
    )


def _curve(run: "RunFolder") -> list[list[float]]:
    """(steps, success of training's episodes since the last)."""
    from report import curve

    from film_rl.run.metrics import read_metrics

    return curve(read_metrics(run.path))


def _draw(
    lines: Sequence[Line], ended: "Mapping[str, Sequence[RunFolder]]", title: str, path: Path
) -> Path:
    """A colour a line, a curve a seed; the PNG's path."""
    from curves import draw

    panels: dict[str, dict[str, list[list[list[float]]]]] = {}
    for line in lines:
        runs = [run for run in ended[line.runs] if run.summary()]
        panels.setdefault(line.panel, {})[line.what] = [_curve(run) for run in runs]
    return draw(panels, title, path)
