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
    """Folder of the files; videos/ in the run folder when not given."""


def main() -> None:
    """Film, and say where the files are."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from agents import record_video
        from film_rl.run import UserError

        for name, lowest in (("episodes", 1), ("seed", 0)):
            if getattr(options, name) < lowest:
                given = getattr(options, name)
                raise UserError(f"--{name} {given}: expected {lowest} or more")
        run, agent, task = options.load()
        paths = record_video(
            agent,
            task,
            options.out or run.path / "videos",
            episodes=options.episodes,
            deterministic=options.argmax,
            seed=options.seed,
        )
        for name, path in paths.items():
            print(f"  {name:15s} {path}")


if __name__ == "__main__":
    main()
