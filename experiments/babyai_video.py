"""Film a trained agent: the world, its view, the sentence, its decisions and its FiLM parameters.

python experiments/babyai_video.py --run runs/go-to-the-red-ball
python experiments/babyai_video.py --run runs/go-to-local --instr "go to the blue key" --argmax
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cli
import tyro


@dataclass(frozen=True)
class Options:
    """Which agent, in which worlds."""

    run: Path
    """The run folder."""
    instr: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Sentences to film; those it was trained on when neither this nor --level is given."""
    level: str | None = None
    """A BabyAI level to film it in."""
    room_size: int | None = None
    """Cells along a room's side (with --instr; 8 when not given)."""
    distractors: int | None = None
    """Objects beside those the sentence needs (with --instr; 7 when not given)."""
    episodes: int = 6
    """How many."""
    argmax: bool = False
    """Take the likeliest action instead of sampling."""
    seed: int = 2_000_000_000
    """The first world's seed; another one gives other worlds."""
    out: Path | None = None
    """Folder of the files; videos/ in the run folder when not given."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


def main() -> None:
    """Film, and say where the files are."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from agents import load_agent, record_video
        from agents.task import task_for
        from film_rl.run import RunFolder, UserError

        if options.episodes < 1:
            raise UserError(f"--episodes {options.episodes}; type 1 or more")
        run = RunFolder.existing(options.run)
        agent, config = load_agent(run, options.device)
        task = task_for(
            config, options.instr, options.level, options.room_size, options.distractors
        )
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
