"""Evaluate a trained agent on fresh worlds: success with its interval, a row an instruction.

python experiments/babyai_evaluate.py --run runs/go-to-the-red-ball
python experiments/babyai_evaluate.py --run runs/go-to-the-red-ball --level BabyAI-GoToLocal-v0
"""

from dataclasses import dataclass
from typing import Any, Literal

import cli
from trained import TrainedAgent


@dataclass(frozen=True)
class Options(TrainedAgent):
    """Which agent, on which task, how often."""

    episodes: int = 512
    """Fresh episodes; each is played with sampled and with argmax actions. Levels proven to have no
    solution, as some of Unlock's and GoToImpUnlock's, are counted and not played."""
    engine: Literal["minigrid", "tensor"] = "minigrid"
    """What steps the worlds. The episodes are the same; the language control is minigrid's."""


def main() -> None:
    """Evaluate and write evaluation.json into the run folder."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from agents.finish import assess
        from film_rl.run.files import to_json, write_atomically

        run, agent, task = options.load()
        figures = assess(agent, task, options.episodes, options.engine)
        show(figures)
        path = options.folder_of_task(run) / "evaluation.json"
        write_atomically(path, to_json(figures))
        print(f"written to {path}")


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    from rich.console import Console
    from rich.table import Table

    sampled, argmax = figures["sampled"], figures["argmax"]
    table = Table(
        "level or instruction", "episodes", "sampled", "95% interval", "steps", "argmax", "steps"
    )
    rows = {"all": (sampled["overall"], argmax["overall"])}
    for level, one in figures.get("per_level", {}).items():
        rows[level] = (one["sampled"], one["argmax"])
    for instruction, one in sampled["per_instruction"].items():
        rows[instruction] = (one, argmax["per_instruction"][instruction])
    for name, (one, other) in rows.items():
        table.add_row(
            name,
            str(one["episodes"]),
            f"{one['success_rate']:.1%}",
            "{:.1%} - {:.1%}".format(*one["success_ci95"]),
            f"{one['mean_steps']:.1f}",
            f"{other['success_rate']:.1%}",
            f"{other['mean_steps']:.1f}",
        )
    console = Console()
    console.print(table)
    if sampled["unsolvable"]:
        console.print(f"not played: {sampled['unsolvable']} levels that nobody can solve")
    control = figures["language_control"]
    if control["named_rate"] is None:
        console.print("language control: no episode in which another object could be named")
    else:
        console.print(
            "language control: the object named by the swapped sentence is reached first in "
            f"{control['named_rate']:.1%} [{{:.1%}}, {{:.1%}}] ".format(*control["named_ci95"])
            + f"of the {control['named_first'] + control['old_first']} episodes that reach either"
        )


if __name__ == "__main__":
    main()
