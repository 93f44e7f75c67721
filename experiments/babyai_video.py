"""Film a trained agent: the world, its view, the sentence, its decisions and its FiLM parameters.

python experiments/babyai_video.py --run runs/go-to-the-red-ball
python experiments/babyai_video.py --run runs/go-to-local --instr "go to the blue key" --argmax
"""

from dataclasses import dataclass
from pathlib import Path

import cli
from trained import TrainedAgent


@dataclass(frozen=True)
class Options(TrainedAgent):
    """Which agent, on which task, and where the film goes."""

    episodes: int = 6
    """How many."""
    argmax: bool = False
    """Take the likeliest action instead of sampling."""
    seed: int = 2_000_000_000
    """The first world's seed; another one gives other worlds."""
    out: Path | None = None
    """Folder of the files; one in the run folder when not given."""


def main() -> None:
    """Film, and say where the files are."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from agents import record_video
        from film_rl.run import UserError

        if not 0 <= options.seed < 2**62:
            raise UserError(f"--seed {options.seed}: expected 0 to {2**62 - 1}")
        run, agent, task = options.load()
        paths = record_video(
            agent,
            task,
            options.out or options.folder_of_task(run) / "videos",
            episodes=options.episodes,
            deterministic=options.argmax,
            seed=options.seed,
        )
        for name, path in paths.items():
            print(f"  {name:15s} {path}")


if __name__ == "__main__":
    main()
