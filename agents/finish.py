"""What happens when training is over: evaluation, learning curve, video, summary."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config import AgentConfig, FollowerConfig, ImitationConfig
from agents.control import language_control
from agents.device_ppo import DevicePPO
from agents.evaluation import Engine, evaluate
from agents.plots import IMITATION_PANELS, learning_curve
from agents.task import EVALUATION_SEED, Task, tasks_of
from agents.video import record_video
from film_rl.run import RunFolder, describe_device, read_origin
from film_rl.run.metrics import read_metrics


def finish(
    config: AgentConfig, run: RunFolder, learner: PPO, seconds: float, *, film: bool = True
) -> None:
    """After PPO: evaluate on fresh worlds, draw, film (or not), export; write summary.json."""
    learned = {
        "timesteps": learner.num_timesteps,
        "steps_per_second": round(learner.num_timesteps / seconds, 1),
        **_curriculum(config, run),
        **_levels(learner),
    }
    curve = learning_curve(run, str(Task.of_config(config)))
    _conclude(config, run, learner, seconds, curve, learned, film)


def finish_imitation(
    config: ImitationConfig, run: RunFolder, agent: PPO, seconds: float, *, film: bool = True
) -> None:
    """After imitation: the same."""
    lessons = {
        "demonstrations": config.demonstrations,
        "advised_episodes": config.rounds * config.round_episodes,
        "updates": config.updates,
        "updates_per_second": round(config.updates / seconds, 2),
    }
    curve = learning_curve(run, str(Task.of_config(config)), IMITATION_PANELS, "updates")
    _conclude(config, run, agent, seconds, curve, lessons, film)


def _conclude(
    config: FollowerConfig,
    run: RunFolder,
    agent: PPO,
    seconds: float,
    curve: Path,
    learned: dict[str, Any],
    film: bool,
) -> None:
    """What all runs end with; `learned` says from how much."""
    task = Task.of_config(config)
    figures = assess(agent, task, config.eval_episodes, levels=tasks_of(config))
    films = record_video(agent, task, run.folder("videos")) if film else {}
    model = run.path / "model.zip"
    agent.save(model)  # for SB3's ecosystem; this program itself loads checkpoints only
    files = {"learning_curve": curve, **films, "model": model}
    summary = {
        **figures["sampled"]["overall"],
        **learned,
        "wall_seconds": round(seconds, 1),
        "device": describe_device(agent.device),
        "seed": config.seed,
        "evaluation_seed": EVALUATION_SEED,
        "start": read_origin(run),
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
