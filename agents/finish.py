"""What happens when training is over: evaluation, learning curve, video, summary."""

from collections.abc import Sequence
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config import AgentConfig
from agents.control import language_control
from agents.device_ppo import DevicePPO
from agents.evaluation import Engine, evaluate
from agents.plots import learning_curve
from agents.task import EVALUATION_SEED, Task, tasks_of
from agents.video import record_video
from film_rl.run import RunFolder, describe_device, read_origin
from film_rl.run.metrics import read_metrics


def finish(
    config: AgentConfig, run: RunFolder, learner: PPO, seconds: float, *, film: bool = True
) -> None:
    """Evaluate on fresh worlds, draw, film (or not), export; write summary.json."""
    task = Task.of_config(config)
    figures = assess(learner, task, config.eval_episodes, levels=tasks_of(config))
    overall = figures["sampled"]["overall"]
    curve = learning_curve(run, str(task))
    films = record_video(learner, task, run.folder("videos")) if film else {}
    model = run.path / "model.zip"
    learner.save(model)  # for SB3's ecosystem; this program itself loads checkpoints only
    files = {"learning_curve": curve, **films, "model": model}
    summary = {
        **overall,
        "timesteps": learner.num_timesteps,
        "wall_seconds": round(seconds, 1),
        "steps_per_second": round(learner.num_timesteps / seconds, 1),
        "device": describe_device(learner.device),
        "seed": config.seed,
        "evaluation_seed": EVALUATION_SEED,
        "start": read_origin(run),
        **_curriculum(config, run),
        **_levels(learner),
        **figures,
        "files": {name: str(path.relative_to(run.path)) for name, path in files.items()},
    }
    run.write_summary(summary)


def _curriculum(config: AgentConfig, run: RunFolder) -> dict[str, Any]:
    """After how many steps each level of a curriculum began, of those that it came to."""
    if not config.curriculum:
        return {}
    began = {config.curriculum[0]: 0}
    for record in read_metrics(run.path):
        began.setdefault(config.curriculum[int(record["curriculum/level"])], record["step"])
    return {"curriculum": list(config.curriculum), "level_began": began}


def _levels(learner: PPO) -> dict[str, Any]:
    """Episodes begun in training, and the share of them on a level that none had begun on before.

    Stock PPO's are not counted: minigrid makes a new level for every episode.
    """
    if not isinstance(learner, DevicePPO):
        return {}
    begun = learner.env.worlds.begun()
    return {"training_episodes": begun.episodes, "fresh_levels": begun.fresh / begun.episodes}


def assess(
    agent: BaseAlgorithm,
    task: Task,
    episodes: int,
    engine: Engine = "minigrid",
    levels: Sequence[Task] = (),
) -> dict[str, Any]:
    """Success with sampled and with argmax actions, overall and by instruction; the control.

    Of a mixture, overall is on episodes drawn by the shares. On each of its levels, or of those
    given, where there are several, there are as many again.
    minigrid is the judge who knows nothing of ours; the control is always its.
    """
    figures = {
        "task": str(task),
        **both_ways(agent, task, episodes, engine),
        "language_control": language_control(agent, task, episodes).to_json(),
    }
    levels = levels or task.parts
    if len(levels) > 1:
        figures["per_level"] = {
            str(level): {
                actions: one["overall"]
                for actions, one in both_ways(agent, level, episodes, engine).items()
            }
            for level in levels
        }
    return figures


def both_ways(
    agent: BaseAlgorithm, task: Task, episodes: int, engine: Engine
) -> dict[str, dict[str, Any]]:
    """Success with sampled and with argmax actions, as of `Evaluation.to_json`."""
    return {
        actions: evaluate(
            agent, task, episodes, deterministic=actions == "argmax", engine=engine
        ).to_json()
        for actions in ("sampled", "argmax")
    }
