"""What happens when training is over: evaluation, learning curve, video, summary."""

from typing import Any

from stable_baselines3 import PPO

from agents.config import AgentConfig
from agents.control import language_control
from agents.evaluation import evaluate
from agents.plots import learning_curve
from agents.task import EVALUATION_SEED, Task
from agents.video import record_video
from film_rl.run import RunFolder, describe_device


def finish(config: AgentConfig, run: RunFolder, learner: PPO, seconds: float) -> dict[str, Any]:
    """Evaluate on fresh worlds, draw, film, export; returns what summary.json says."""
    task = Task.of_config(config)
    sampled = evaluate(learner, task, config.eval_episodes)
    argmax = evaluate(learner, task, config.eval_episodes, deterministic=True)
    control = language_control(learner, task, config.eval_episodes)
    curve = learning_curve(run, str(task))
    films = record_video(learner, task, run.folder("videos"))
    model = run.path / "model.zip"
    learner.save(model)  # for SB3's ecosystem; this program itself loads checkpoints only
    files = {"learning_curve": curve, **films, "model": model}
    summary = {
        "task": str(task),
        "success_rate": sampled.overall.success_rate,
        "success_ci95": sampled.overall.success_ci95,
        "episodes": sampled.overall.episodes,
        "mean_steps": sampled.overall.mean_steps,
        "timesteps": learner.num_timesteps,
        "wall_seconds": round(seconds, 1),
        "steps_per_second": round(learner.num_timesteps / seconds, 1),
        "device": describe_device(learner.device),
        "seed": config.seed,
        "evaluation_seed": EVALUATION_SEED,
        "sampled": sampled.to_json(),
        "argmax": argmax.to_json(),
        "language_control": control.to_json(),
        "files": {name: str(path.relative_to(run.path)) for name, path in files.items()},
    }
    run.write_summary(summary)
    return summary
