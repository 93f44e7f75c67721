"""Train an agent on demonstrations of minigrid's bot, with or without rounds of DAgger.

    python experiments/babyai_demos.py --level BabyAI-GoToLocal-v0 --demonstrations 10000
    python experiments/babyai_imitate.py --demos demos/babyai-gotolocal-v0
    python experiments/babyai_imitate.py --demos demos/babyai-gotolocal-v0 --demonstrations 2000
    python experiments/babyai_imitate.py --demos demos/babyai-gotolocal-v0 --rounds 4
    python experiments/babyai_imitate.py --demos demos/babyai-gotolocal-v0 --network babyai11 \
        --channels 128 --sentence-dim 128 --last-actions 0 --memory lstm --batch-size 5120 \
        --learning-rate 1e-4 --weight-decay 0 --precision float32
    python experiments/babyai_imitate.py --run runs/imitation-of-babyai-gotolocal-v0 --resume

The last but one is BabyAI 1.1's small model, its step size and its minibatches of 256 segments of
20 steps. Agents are evaluated and filmed as those of babyai_ppo.py. Results: docs/babyai.md.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cli
from trained import report
from training_run import RunOptions, open_run, wanted_config

from agents.config import ImitationConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder


@dataclass(frozen=True)
class Options(RunOptions, ImitationConfig):
    """A training run, and where it lives."""


def main() -> None:
    """Train (or go on training), then evaluate, plot and film."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from agents.demos import completed
        from agents.learner import check_start

        config = completed(wanted_config(options, ImitationConfig, lists=("instr", "hold_out")))
        # A run to go on with has begun; what it began with may be gone by now.
        if not options.resume and (start := check_start(config)):
            print(start)
        task = " ".join(config.instr) or str(config.level)
        run = open_run(options, config, f"imitation of {task}")
        with run:
            print(f"run folder: {run.path}")
            if run.summary() is None:
                train_and_finish(run, config)
            summary = run.summary() or {}
            lessons = f"{summary['demonstrations']:,} demonstrations"
            if summary["advised_episodes"]:
                lessons += f" and {summary['advised_episodes']:,} episodes with advice"
            report(run, f"{lessons}, {summary['updates']:,} updates")


def train_and_finish(run: "RunFolder", config: ImitationConfig) -> None:
    """Train to the end, then evaluate, plot and film."""
    from agents.finish import finish_imitation
    from agents.imitation import imitate
    from film_rl.run import Interrupted

    try:
        agent, seconds = imitate(config, run)
    except Interrupted:
        print(f"saved; go on with: python experiments/babyai_imitate.py --run {run.path} --resume")
        raise
    print("evaluating, plotting and filming ...")
    finish_imitation(config, run, agent, seconds)


if __name__ == "__main__":
    main()
