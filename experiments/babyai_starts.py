"""Does a start help an agent? Begun anew, and with the weights of other runs.

    python experiments/clevr_train.py --channels 32 --blocks 2 --word-dim 64 --sentence-dim 64 \
        --no-coords --norm none --baseline-steps 0 --run runs/clevr-core
    python experiments/babyai_starts.py --view pixels --starts clevr=runs/clevr-core
    python experiments/babyai_starts.py --tasks PickupLoc --starts \
        easier=runs/babyai-gotolocal-v0 cloned=runs/imitation-of-babyai-pickuploc-v0

The agent of babyai_ppo.py with one thing changed: what it begins with (--init-from). A CLEVR run
gives what the two have in common, FiLM's generator, blocks and reader, as far as they have the same
shape; what is taken from each run is printed first. Killed and started again with the same command
it goes on; a second process with the same command shares the work. It ends with a table, a picture
of all learning curves, and rows in docs/results/babyai_studies.json.

Cost: a training of babyai_ppo.py for each start, level and seed, and one for each level and seed
begun anew. An agent that imitated has a memory: type the --memory and the sizes that it has.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cli
import tyro
from agent_lines import Line, LineOptions, compare
from agent_sweep import levels_of
from babyai_levels import Level
from babyai_methods import ppo

ANEW = "anew"


@dataclass(frozen=True)
class Options(LineOptions):
    """Which starts on which levels."""

    tasks: tuple[str, ...] = ("GoToLocal",)
    """The levels."""
    starts: tuple[str, ...] = ()
    """What to call a start, and the run that it is, such as clevr=runs/clevr-core. The agent begun
    anew is always there."""
    init_from: tyro.conf.Suppress[str | None] = None
    """Not to be typed: --starts says."""


def main() -> None:
    """Train all, then tell."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from agents.learner import check_start

        lines = lines_of(options)
        for line in lines:
            if start := check_start(line.config):
                print(f"{line.panel}, {line.what}: {start}", flush=True)
        compare(options, "babyai-starts", lines, "What an agent begins with")


def lines_of(options: Options) -> list[Line]:
    """On every level the agent begun anew, and with each of the starts."""
    starts = runs_of(options.starts)
    levels = levels_of(options.tasks)
    return [_line(options, level, *start) for level in levels for start in starts.items()]


def runs_of(starts: tuple[str, ...]) -> dict[str, str | None]:
    """The run of each start, begun anew none; UserError for what is not understood."""
    from film_rl.run import UserError

    runs: dict[str, str | None] = {ANEW: None}
    for start in starts:
        name, _, run = start.partition("=")
        if not name or not run or name in runs or "/" in name:
            raise UserError(
                f"--starts {start}: expected a name of its own and a run, such as "
                "clevr=runs/clevr-core"
            )
        runs[name] = run
    return runs


def _line(options: Options, level: Level, name: str, run: str | None) -> Line:
    start = ("--starts", f"{name}=runs/{Path(run).resolve().name}") if run else ()
    return Line(
        part=f"starts {level.name}",
        panel=level.name,
        what=name,
        runs=f"{level.name}/{name}",
        config=replace(options.over(ppo(level)), init_from=run, seed=0),
        command=options.command("babyai_starts", "--tasks", level.name, *start),
        figures={},
    )


if __name__ == "__main__":
    main()
