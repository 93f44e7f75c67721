"""Train an agent that follows instructions; then evaluate it, draw its learning curve, film it.

    python experiments/babyai_ppo.py --instr "go to the red ball"
    python experiments/babyai_ppo.py --instr "go to the {color} {object}" --distractors 3
    python experiments/babyai_ppo.py --level BabyAI-GoToLocal-v0 --steps 1000000
    python experiments/babyai_ppo.py --run runs/go-to-the-red-ball --resume

Cost and expected results: docs/benchmarks.md.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cli

from agents.config import AgentConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder


@dataclass(frozen=True)
class Options(AgentConfig):
    """A training run, and where it lives."""

    run: Path | None = None
    """The run folder; a new one below runs/, named after the task, when not given."""
    resume: bool = False
    """Go on with the run in --run, exactly as if it had never stopped."""


def main() -> None:
    """Train (or go on training), then evaluate, plot and film."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        run, config = resume_run(options) if options.resume else new_run(options)
        with run:
            print(f"run folder: {run.path}")
            if run.summary() is None:
                train_and_finish(run, config)
            report(run)


def new_run(options: Options) -> tuple["RunFolder", AgentConfig]:
    """A run folder made for these options, once they are known to work."""
    from agents.learner import check
    from film_rl.run import RunFolder

    config = agent_config(options)
    check(config)
    if options.run:
        return RunFolder.create(options.run, config), config
    name = " ".join(config.instr) or str(config.level)
    return RunFolder.create_numbered(Path("runs"), name, config), config


def resume_run(options: Options) -> tuple["RunFolder", AgentConfig]:
    """An existing run and its configuration; only the device may be another than it was."""
    from agents.learner import check
    from film_rl.run import RunFolder, UserError, differences

    if options.run is None:
        raise UserError("--resume needs the run to go on with; type --run runs/NAME --resume")
    run = RunFolder.existing(options.run)
    saved = run.config(AgentConfig)
    # Read again with the run's own configuration as the default: what now differs was typed.
    default = Options(**{**vars(saved), "instr": ()}, run=options.run, resume=True)
    typed = agent_config(cli.parse(Options, __doc__ or "", default))
    typed = dataclasses.replace(typed, instr=typed.instr or saved.instr)
    config = dataclasses.replace(saved, device=typed.device)
    if changes := differences(config, typed):
        listed = "\n  ".join(changes)
        raise UserError(
            f"{run.path} holds a run of another configuration; leave these options out to go on "
            f"with it, or start a new one with another --run:\n  {listed}"
        )
    check(config)
    return run, config


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


def report(run: "RunFolder") -> None:
    """Print the final figures and where everything lies."""
    summary = run.summary() or {}
    low, high = summary["success_ci95"]
    print(
        f"\n{summary['task']}: success {summary['success_rate']:.1%} [{low:.1%}, {high:.1%}] of "
        f"{summary['episodes']} fresh episodes "
        f"(argmax {summary['argmax']['overall']['success_rate']:.1%})\n"
        f"{summary['timesteps']:,} steps in {summary['wall_seconds']:.0f} s on {summary['device']}"
    )
    if (rate := summary["language_control"]["named_rate"]) is not None:
        print(f"language control: the object named by a swapped sentence is first in {rate:.1%}")
    for name, file in {**summary["files"], "summary": "summary.json"}.items():
        print(f"  {name:15s} {run.path / file}")


def agent_config(options: Options) -> AgentConfig:
    """The options without those that only say where the run lives."""
    fields = dataclasses.fields(AgentConfig)
    return AgentConfig(**{field.name: getattr(options, field.name) for field in fields})


if __name__ == "__main__":
    main()
