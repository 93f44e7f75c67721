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

from dataclasses import dataclass, replace
from typing import cast, get_args

import cli
from agent_lines import Line, LineOptions, compare
from agent_sweep import chosen, levels_of
from babyai_methods import ppo

from agents.config import Conditioning

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


@dataclass(frozen=True)
class Options(LineOptions):
    """Which ways on which levels."""

    tasks: tuple[str, ...] = ("GoToLocal", "PickupLoc", "PutNextLocal")
    """The levels."""
    ways: tuple[str, ...] = ()
    """Only these, such as film concat none; all of --conditioning when not given."""


def main() -> None:
    """Train all, then tell."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        title = "How the sentence acts on the CNN: equal parameters, equal steps"
        compare(options, "babyai-conditioning", lines_of(options), title)


def lines_of(options: Options) -> list[Line]:
    """Every way on every level."""
    from equal_size import of_equal_size, parameters

    ways, lines = chosen(options.ways, WAYS, "--ways"), []
    for level in levels_of(options.tasks):
        film = replace(options.over(ppo(level)), conditioning="film", seed=0)
        for way in ways:
            other = replace(film, conditioning=cast(Conditioning, way))
            config = of_equal_size(other, parameters(film))
            only = ("--tasks", level.name, "--ways", way)
            lines.append(
                Line(
                    part=f"conditioning {level.name}",
                    panel=level.name,
                    what=WAYS[way],
                    runs=f"{level.name}/{way}",
                    config=config,
                    command=options.command("babyai_conditioning", *only),
                    figures={"channels": config.channels, "parameters": parameters(config)},
                )
            )
    return lines


if __name__ == "__main__":
    main()
