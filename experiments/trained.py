"""What the scripts that work on a trained agent have in common: which agent, on which task."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from kinds import run_of

if TYPE_CHECKING:
    from stable_baselines3 import PPO

    from agents.task import Task
    from film_rl.run import RunFolder


@dataclass(frozen=True)
class TrainedAgent:
    """Which agent, on which task."""

    run: Path
    """The run folder."""
    instr: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Sentences to give it; those it was trained on when neither this nor --level is given."""
    level: str | None = None
    """A BabyAI level to put it into."""
    room_size: int | None = None
    """Cells along a room's side (with --instr; 8 when not given)."""
    distractors: int | None = None
    """Objects beside those the sentence needs (with --instr; 7 when not given)."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def load(self) -> tuple["RunFolder", "PPO", "Task"]:
        """The run folder, the agent as its newest checkpoint has it, and the task."""
        from agents.learner import load_agent
        from agents.task import task_for

        run = run_of("agent", self.run)
        agent, config = load_agent(run, self.device)
        return (
            run,
            agent,
            task_for(config, self.instr, self.level, self.room_size, self.distractors),
        )

    def folder_of_task(self, run: "RunFolder") -> Path:
        """Where results go: the run folder, or a sub-folder for a task it was not trained on."""
        from film_rl.run.folder import slug

        if not self.instr and not self.level:
            return run.path
        folder = run.path / "other-tasks" / slug(" ".join(self.instr) or str(self.level))
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def report(run: "RunFolder", learned: str) -> None:
    """Print a trained agent's final figures and where everything lies; from what it learned."""
    summary = run.summary() or {}
    low, high = summary["success_ci95"]
    print(
        f"\n{summary['task']}: success {summary['success_rate']:.1%} [{low:.1%}, {high:.1%}] of "
        f"{summary['episodes']} fresh episodes "
        f"(argmax {summary['argmax']['overall']['success_rate']:.1%})\n"
        f"{learned} in {summary['wall_seconds']:.0f} s on {summary['device']}"
    )
    for level, step in summary.get("level_began", {}).items():
        print(f"  {level} began after {step:,} steps")
    for level, one in summary.get("per_level", {}).items():
        sampled, argmax = one["sampled"]["success_rate"], one["argmax"]["success_rate"]
        print(f"  {level}: {sampled:.1%} (argmax {argmax:.1%})")
    if (rate := summary["language_control"]["named_rate"]) is not None:
        print(f"language control: the object named by a swapped sentence is first in {rate:.1%}")
    for name, file in {**summary["files"], "summary": "summary.json"}.items():
        print(f"  {name:15s} {run.path / file}")
