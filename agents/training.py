"""Training with exact resume: PPO between checkpoints, metrics and a stop request."""

import math
import time
from contextlib import ExitStack, closing
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.utils import safe_mean

from agents.config import AgentConfig
from agents.curriculum import Lessons
from agents.device_ppo import DevicePPO
from agents.guard import check_parameters, check_rewards, finite_guard
from agents.learner import fits_configuration, make_learner
from agents.learner_state import State, learner_state, restore_learner
from agents.start import start_from
from agents.supply import LevelSupply
from film_rl.run import (
    Checkpointer,
    Interrupted,
    Metrics,
    Progress,
    RunFolder,
    StopRequest,
    seed_everything,
    write_origin,
)


def train(config: AgentConfig, run: RunFolder) -> tuple[PPO, float]:
    """Train from the newest checkpoint of the run (or the start) to `config.steps`.

    Returns:
        The trained learner and the seconds all training of this run has taken.

    Raises:
        Interrupted: SIGINT or SIGTERM came; a checkpoint was saved first.
        NonFiniteError: a number became NaN; the last good checkpoint is untouched.
        UserError: no checkpoint can be read or written.
    """
    checkpoint = Checkpointer(run.checkpoints).load()
    begin = {"metrics": None, "seconds": 0.0, "parts": 0, "lessons": None}
    state: State = checkpoint.state if checkpoint else begin
    with fits_configuration(run):
        seconds, parts = float(state["seconds"]), int(state["parts"])
    seed_everything(config.seed)
    learner = make_learner(config, run, parts)
    with fits_configuration(run):
        metrics = Metrics(run.path, state["metrics"])
    with ExitStack() as opened, StopRequest() as stop:
        opened.enter_context(closing(metrics))
        learner.set_logger(Logger(None, [_MetricsWriter(metrics)]))
        if checkpoint:
            with fits_configuration(run):
                restore_learner(learner, state["learner"])
        elif config.init_from:
            write_origin(run, start_from(learner.policy, config.init_from).origin())
        left, supply = config.steps - learner.num_timesteps, None
        if config.refresh and left > 0:
            supply = opened.enter_context(closing(LevelSupply(config, run, parts)))
        lessons = None
        if config.mixture or config.curriculum:
            with fits_configuration(run):
                lessons = Lessons(config, learner.env.worlds, state["lessons"])
        callback = _RunCallback(config, run, metrics, stop, seconds, supply, lessons)
        if left > 0:
            with callback.progress, finite_guard(learner, run.path / "crash"):
                learner.learn(left, callback, reset_num_timesteps=checkpoint is None)
        if stop.signum:  # it came during the last update
            raise Interrupted(stop.signum)
    return learner, callback.seconds


class _RunCallback(BaseCallback):
    """Between two updates: report progress, save when it is time, stop when asked to."""

    def __init__(
        self,
        config: AgentConfig,
        run: RunFolder,
        metrics: Metrics,
        stop: StopRequest,
        seconds_before: float,
        supply: LevelSupply | None,
        lessons: Lessons | None,
    ):
        super().__init__()
        self.steps, self.checkpoint_every = config.steps, config.checkpoint_every
        self.checkpointer = Checkpointer(run.checkpoints)
        self.crash_folder = run.path / "crash"
        self.metrics, self.stop, self.supply, self.lessons = metrics, stop, supply, lessons
        self.progress = Progress(config.steps, metric="success")
        self.seconds = seconds_before

    def _on_training_start(self) -> None:
        self.saved_at = self.progress.start = self.model.num_timesteps
        self.began = self.started = time.monotonic()

    def _on_rollout_start(self) -> None:
        self._show()
        if self.supply:
            self.supply.refresh(self.model.env.worlds, self.model.num_timesteps, self.stop)
        steps_since = self.model.num_timesteps - self.saved_at
        if self.stop.signum or steps_since >= self.checkpoint_every:
            self._save()
        if self.stop.signum:
            raise Interrupted(self.stop.signum)

    def _on_step(self) -> bool:
        if not isinstance(self.model, DevicePPO):  # it looks once an update
            check_rewards(self.model, self.crash_folder, self.locals["rewards"])
        return True

    def _on_rollout_end(self) -> None:
        if not isinstance(self.model, DevicePPO):  # minigrid makes a new level for every episode
            return
        begun = self.model.env.worlds.begun()
        self.logger.record("rollout/fresh_levels", begun.fresh / begun.episodes)
        if self.supply:
            share = self.supply.waited / (time.monotonic() - self.started)
            self.logger.record("time/waiting_for_levels", share)
        if self.lessons:
            for name, value in self.lessons.look(self.model.n_steps).items():
                self.logger.record(name, value)

    def _on_training_end(self) -> None:
        self._show()
        self._save()

    def _show(self) -> None:
        # Short, successful episodes end first: until 100 have ended their share says little.
        successes = self.model.ep_success_buffer
        full = len(successes) == successes.maxlen
        step = min(self.model.num_timesteps, self.steps)  # the last update may go beyond
        self.progress.update(step, safe_mean(successes) if full else None)

    def _save(self) -> None:
        check_parameters(self.model, self.crash_folder)
        now = time.monotonic()
        self.seconds, self.began = self.seconds + now - self.began, now
        self.saved_at = self.model.num_timesteps
        state = {
            "learner": learner_state(self.model),
            "metrics": self.metrics.position(),
            "seconds": self.seconds,
            "parts": self.supply.parts if self.supply else 0,
            "lessons": self.lessons.state() if self.lessons else None,
        }
        self.checkpointer.save(self.saved_at, state)


class _MetricsWriter(KVWriter):
    """SB3's logger keys, into the run's metrics."""

    def __init__(self, metrics: Metrics):
        self.metrics = metrics

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        # JSON has no NaN: SB3's word for what is not defined, as a variance explained of none.
        numbers = {name: float(value) for name, value in sorted(key_values.items())}
        defined = {name: value for name, value in numbers.items() if not math.isnan(value)}
        self.metrics.log(step, defined)

    def close(self) -> None:
        """The run closes its metrics itself."""
