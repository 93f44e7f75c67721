"""Train an agent that follows instructions; then evaluate it, draw its learning curve, film it.

    python experiments/babyai_ppo.py --instr "go to the red ball"
    python experiments/babyai_ppo.py --instr "go to the {color} {object}" --distractors 3
    python experiments/babyai_ppo.py --level BabyAI-GoToLocal-v0 --steps 1000000
    python experiments/babyai_ppo.py --mixture BabyAI-GoToLocal-v0=0.7 BabyAI-PickupLoc-v0=0.3
    python experiments/babyai_ppo.py --curriculum BabyAI-GoToLocal-v0 BabyAI-GoTo-v0
    python experiments/babyai_ppo.py --instr "go to the {color} {object}" --hold-out "red key"
    python experiments/babyai_ppo.py --level BabyAI-GoTo-v0 --init-from runs/babyai-gotolocal-v0
    python experiments/babyai_ppo.py --level BabyAI-GoToLocal-v0 --preset babyai11-small
    python experiments/babyai_ppo.py --run runs/go-to-the-red-ball --resume

Cost and expected results: docs/benchmarks.md.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cli
from trained import report
from training_run import RunOptions, open_run, typed, wanted_config

from agents.config import AgentConfig
from agents.presets import PRESETS, ours

if TYPE_CHECKING:
    from film_rl.run import RunFolder


@dataclass(frozen=True)
class Options(RunOptions, AgentConfig):
    """A training run, and where it lives."""

    preset: Literal["ours", "babyai11-small", "babyai11-big"] = "ours"
    """The defaults of all other options; BabyAI 1.1's models and PPO are as published
    (agents/presets.py)."""


def main() -> None:
    """Train (or go on training), then evaluate, plot and film."""
    options = read_options()
    with cli.exit_status():
        from agents.learner import check, check_start

        config = wanted_config(options, AgentConfig, lists=("instr", "hold_out"))
        check(config)
        # A run to go on with has begun; what it began with may be gone by now.
        if not options.resume and (start := check_start(config)):
            print(start)
        name = " ".join(config.instr or config.mixture or config.curriculum) or str(config.level)
        run = open_run(options, config, name)
        with run:
            print(f"run folder: {run.path}")
            if run.summary() is None:
                train_and_finish(run, config)
            report(run, f"{(run.summary() or {})['timesteps']:,} steps")


def read_options() -> Options:
    """The command line; what it does not say is the preset's."""
    config = PRESETS.get(typed("--preset", "ours"), ours)()
    return cli.parse(Options, __doc__ or "", Options(**vars(config)))


def train_and_finish(run: "RunFolder", config: AgentConfig) -> None:
    """Train to the end, then evaluate, plot and film."""
    from agents.finish import finish
    from agents.training import train
    from film_rl.run import Interrupted

    try:
        learner, seconds = train(config, run)
    except Interrupted:
        print(f"saved; go on with: python experiments/babyai_ppo.py --run {run.path} --resume")
        raise
    print("evaluating, plotting and filming ...")
    finish(config, run, learner, seconds)


if __name__ == "__main__":
    main()
