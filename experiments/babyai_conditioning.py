"""What conditions best? FiLM, its restrictions, concatenation, gated attention and nothing.

    python experiments/babyai_conditioning.py
    python experiments/babyai_conditioning.py --tasks GoToLocal --ways film concat none --seeds 1

The agent of babyai_ppo.py with one thing changed: how the sentence acts on the CNN. Each way gets
the `channels` with which its network has as many parameters as FiLM's, to 2%, and the same steps:
those of the level in babyai_levels.py, or --steps. Killed and started again with the same command
it goes on; a second process with the same command shares the work. It ends with a table and a
picture of all learning curves a level, and rows in docs/results/babyai_studies.json.

Expected: an agent that is told nothing goes to whatever it meets, and that is the right thing now
and then. Cost: a training of babyai_ppo.py for each way, level and seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, cast, get_args

import cli
from agent_sweep import AgentSweepOptions, chosen, levels_of, open_sweep, train_and_assess, work
from babyai_levels import Level
from babyai_methods import ppo
from paper_rows import STUDIES, check_rows, mean_of, of_runs, table, write_rows

from agents.config import AgentConfig, Conditioning

if TYPE_CHECKING:
    from film_rl.run import RunFolder, Sweep

TITLES = {
    "film": "FiLM",
    "bias": "bias only",
    "scale": "scale only",
    "gate": "sigmoid gate in each block",
    "concat": "concatenation",
    "gated_attention": "gated attention (Chaplot et al. 2018)",
    "none": "no conditioning",
}
WAYS = {way: TITLES.get(way, way) for way in get_args(Conditioning)}
Line = tuple[Level, str]  # level, way


@dataclass(frozen=True)
class Options(AgentSweepOptions):
    """Which ways on which levels."""

    tasks: tuple[str, ...] = ("GoToLocal", "PickupLoc", "PutNextLocal")
    """The levels."""
    ways: tuple[str, ...] = ()
    """Only these, such as film concat none; all of --conditioning when not given."""
    results: Path = STUDIES
    """The file that the rows go to."""


def main() -> None:
    """Train all, then tell."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        check_rows(options.results)  # now, not only after hours of training
        lines = lines_of(options)
        configs = {
            name_of(line, seed): replace(config, seed=seed)
            for seed in options.all_seeds
            for line, config in lines.items()
        }
        sweep = open_sweep(options, "babyai-conditioning", configs)
        work(sweep, train_and_assess, lambda: report(options, lines, sweep))


def lines_of(options: Options) -> dict[Line, AgentConfig]:
    """What to train for each line of the tables; all but the seed."""
    from equal_size import of_equal_size, parameters

    ways = chosen(options.ways, WAYS, "--ways")
    lines = {}
    for level in levels_of(options.tasks):
        film = replace(options.over(ppo(level)), conditioning="film", seed=0)
        for way in ways:
            other = replace(film, conditioning=cast(Conditioning, way))
            lines[level, way] = of_equal_size(other, parameters(film))
    return lines


def name_of(line: Line, seed: int) -> str:
    """What a run is called."""
    level, way = line
    return f"{level.name}/{way}/{seed}"


def runs_of(options: Options, line: Line, sweep: "Sweep[AgentConfig]") -> "list[RunFolder]":
    """The runs of a line that have an outcome; all of them, or the line is not done."""
    names = [name_of(line, seed) for seed in options.all_seeds]
    return [sweep.runs[name] for name in names if sweep.outcome(name)]


def report(options: Options, lines: dict[Line, AgentConfig], sweep: "Sweep[AgentConfig]") -> None:
    """Print the tables, draw the curves, write the rows of lines that are done."""
    rows = []
    for line, config in lines.items():
        runs = runs_of(options, line, sweep)
        if len(runs) == options.seeds and any(run.summary() for run in runs):
            rows.append(row_of(options, line, config, runs))
    write_rows(rows, options.results)
    for part in dict.fromkeys(row["part"] for row in rows):
        print(f"\n{part}\n\n{table([row for row in rows if row['part'] == part])}")
    if rows:
        print(f"picture: {draw(options, lines, sweep)}")
    print(f"runs: {sweep.path}\nrows: {options.results}, {len(rows)} of {len(lines)} lines")


def row_of(
    options: Options, line: Line, config: AgentConfig, runs: "Sequence[RunFolder]"
) -> dict[str, Any]:
    """A line as a row of docs/results/babyai_studies.json."""
    from equal_size import parameters

    level, way = line
    summaries = [summary for run in runs if (summary := run.summary())]
    figures: dict[str, Any] = {}
    for actions in ("sampled", "argmax"):
        rates = [100 * one[actions]["overall"]["success_rate"] for one in summaries]
        figures |= mean_of(actions, rates)
    curves = [curve for run in runs if run.summary() and (curve := curve_of(run))]
    if curves:
        figures |= mean_of("in training", [100 * mean(s for _, s in curve) for curve in curves])
    figures |= {"channels": config.channels, "parameters": parameters(replace(config, seed=0))}
    episodes = summaries[0]["sampled"]["overall"]["episodes"]
    return of_runs(
        f"conditioning {level.name}",
        WAYS[way],
        None,
        figures,
        data=f"{config.steps:,} steps, {episodes} fresh episodes a seed",
        command=options.command("babyai_conditioning", "--tasks", level.name, "--ways", way),
        runs=runs,
    )


def curve_of(run: "RunFolder") -> list[list[float]]:
    """(steps, success of training's episodes since the last)."""
    from report import curve

    from film_rl.run.metrics import read_metrics

    return curve(read_metrics(run.path))


def draw(options: Options, lines: dict[Line, AgentConfig], sweep: "Sweep[AgentConfig]") -> Path:
    """A panel a level, a colour a way, a line a seed; the PNG's path."""
    from curves import draw as draw_panels

    panels: dict[str, dict[str, list[list[list[float]]]]] = {}
    for line in lines:
        level, way = line
        runs = [run for run in runs_of(options, line, sweep) if run.summary()]
        panels.setdefault(level.name, {})[WAYS[way]] = [curve_of(run) for run in runs]
    title = "How the sentence acts on the CNN: equal parameters, equal steps"
    return draw_panels(panels, title, sweep.path / "curves.png")


if __name__ == "__main__":
    main()
