"""Recurrent behaviour cloning with exact resume: do in every frame what the teacher would do.

T steps of B streams of episodes, S numbers of a memory.
"""

import math
import time
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import torch
from stable_baselines3 import PPO
from torch import Tensor

from agents.config import ImitationConfig
from agents.dagger import Rounds
from agents.demos import read_lessons
from agents.evaluation import evaluate
from agents.learner import fits_configuration, untrained_agent
from agents.lessons import Course, Lesson
from agents.start import start_from
from agents.task import EVALUATION_SEED, Task
from film_rl.run import (
    Checkpointer,
    Interrupted,
    Metrics,
    NonFiniteError,
    Progress,
    RunFolder,
    StopRequest,
    UserError,
    seed_everything,
    write_origin,
)

VALIDATION_SEED = EVALUATION_SEED + 500_000_000
LOG_EVERY = 20  # updates
LOGGED = ("train/surprise", "train/entropy", "train/agreement", "train/gradient_norm")
MAX_GRADIENT = 0.5


class Fit(NamedTuple):
    """How well an agent foretells its teacher: means over frames, on the device.

    Attributes:
        surprise: -log p of the teacher's action (nats).
        entropy: of the agent's actions (nats).
        agreement: how often its likeliest action is the teacher's.
    """

    surprise: Tensor
    entropy: Tensor
    agreement: Tensor


def imitate(config: ImitationConfig, run: RunFolder) -> tuple[PPO, float]:
    """Train from the newest checkpoint of the run (or the start) to `config.updates`.

    Returns:
        The trained agent and the seconds all training of this run has taken.

    Raises:
        Interrupted: SIGINT or SIGTERM came; a checkpoint was saved first.
        NonFiniteError: a number became NaN; the last good checkpoint is untouched.
        UserError: no checkpoint can be read or written; the demonstrations do not fit.
    """
    checkpoint = Checkpointer(run.checkpoints).load()
    seed_everything(config.seed)
    agent = untrained_agent(config, config.device)
    with ExitStack() as opened, StopRequest() as stop:
        state = checkpoint.state if checkpoint else None
        with fits_configuration(run):
            metrics = opened.enter_context(closing(Metrics(run.path, state and state["metrics"])))
        loop = _Loop(config, run, agent, metrics, stop)
        if checkpoint:
            with fits_configuration(run):
                loop.restore(checkpoint.step, checkpoint.state)
        elif config.init_from:
            write_origin(run, start_from(agent.policy, config.init_from).origin())
        with loop.progress:
            loop.run()
    return agent, loop.seconds


def fit(agent: PPO, lesson: Lesson, state_BS: Tensor) -> tuple[Fit, Tensor]:
    """How well the agent foretells a minibatch, and its memory after it (without gradient)."""
    policy = agent.policy
    film_params = policy.features_extractor.read(lesson.tokens)
    thought = policy.think(lesson.view, film_params, lesson.view.sentence, state_BS, lesson.start)
    log_prob_TB = thought.log_prob.gather(2, lesson.advice[..., None])[..., 0]
    entropy_TB = -(thought.log_prob.exp() * thought.log_prob).sum(2)
    right_TB = (thought.log_prob.argmax(2) == lesson.advice).to(log_prob_TB.dtype)
    weight_TB = lesson.counts / lesson.counts.sum().clamp(min=1)
    means = ((part * weight_TB).sum() for part in (-log_prob_TB, entropy_TB, right_TB))
    return Fit(*means), thought.state.detach()


@torch.no_grad()
def foretold(agent: PPO, course: Course) -> dict[str, float]:
    """How well the agent foretells one pass of lessons it was not trained on."""
    agent.policy.set_training_mode(False)
    state_BS = agent.policy.fresh(course.streams)
    sums, frames = torch.zeros(2, device=agent.device), torch.zeros((), device=agent.device)
    for number in range(len(course)):
        lesson = course[number]
        found, state_BS = fit(agent, lesson, state_BS)
        counted = lesson.counts.sum()
        sums += counted * torch.stack([found.surprise, found.agreement])
        frames += counted
    surprise, agreement = (sums / frames.clamp(min=1)).tolist()
    return {"val/surprise": surprise, "val/agreement": agreement}


class _Loop:
    """Updates, and between two of them: log, look at success, save, stop when asked to."""

    def __init__(
        self,
        config: ImitationConfig,
        run: RunFolder,
        agent: PPO,
        metrics: Metrics,
        stop: StopRequest,
    ) -> None:
        self.config, self.agent, self.metrics, self.stop = config, agent, metrics, stop
        self.policy = agent.policy
        self.optimizer = torch.optim.AdamW(
            self.policy.parameters(), eps=1e-5, weight_decay=config.weight_decay, fused=True
        )
        self.checkpointer, self.crash = Checkpointer(run.checkpoints), run.path / "crash"
        learned, held_out = read_lessons(config)
        self.digest = learned.digest()
        self.held_out = Course(held_out, config, agent.device)
        self.rounds = Rounds(config, run, agent, learned)
        self.state_BS = torch.empty(0)
        self.step = self.saved_at = 0
        self.sums = [0.0] * len(LOGGED)
        self.seconds, self.began = 0.0, time.monotonic()
        self.progress = Progress(config.updates, metric="success")

    def restore(self, step: int, state: dict[str, Any]) -> None:
        """Put everything to where `_save` was; UserError where it learned from other lessons."""
        if state["lessons"] != self.digest:
            raise UserError(
                f"{self.config.demos} has other demonstrations than those this run began with; "
                "bring them back, or start a new run with another --run"
            )
        learner = state["learner"]
        self.policy.load_state_dict(learner["policy"])
        self.optimizer.load_state_dict(learner["optimizer"])
        self.state_BS = learner["memory"].to(self.agent.device)
        self.sums, self.seconds = state["sums"], state["seconds"]
        self.step = self.saved_at = self.progress.start = step
        self.agent.num_timesteps = step

    def run(self) -> None:
        """Go on until the last update."""
        while self.step < self.config.updates:
            course, number = self.rounds.at(self.step)
            if number == 0 and self.rounds.found:
                self.metrics.log(self.step, self.rounds.found)
            if number % len(course) == 0:  # a pass begins, and every memory with it
                self.state_BS = self.policy.fresh(course.streams)
            self._update(course[number])
            self._between()
        if self.saved_at < self.step:
            self._save()

    def _update(self, lesson: Lesson) -> None:
        """One gradient step; nothing is changed where a number is not finite."""
        self.policy.set_training_mode(True)
        found, state_BS = fit(self.agent, lesson, self.state_BS)
        loss = found.surprise - self.config.entropy * found.entropy
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), MAX_GRADIENT)
        values = torch.stack([*found, norm]).tolist()
        if not all(map(math.isfinite, values)):
            raise self._non_finite(lesson)
        self.optimizer.param_groups[0]["lr"] = self._rate()
        self.optimizer.step()
        self.state_BS = state_BS
        self.sums = [total + value for total, value in zip(self.sums, values, strict=True)]
        self.step += 1
        self.agent.num_timesteps = self.step

    def _rate(self) -> float:
        """The step size, which falls linearly to 0."""
        return self.config.learning_rate * (1 - self.step / self.config.updates)

    def _between(self) -> None:
        config, values, success = self.config, {}, None
        if self.step % LOG_EVERY == 0:
            values = {k: v / LOG_EVERY for k, v in zip(LOGGED, self.sums, strict=True)}
            values["train/learning_rate"] = self._rate()
            self.sums = [0.0] * len(LOGGED)
        if self.step % config.eval_every == 0:
            success = self._success()
            values |= {"val/success_rate": success, **foretold(self.agent, self.held_out)}
        if values:
            self.metrics.log(self.step, values)
        self.progress.update(self.step, success)
        if self.stop.signum or self.step - self.saved_at >= config.checkpoint_every:
            self._save()
        if self.stop.signum:
            raise Interrupted(self.stop.signum)

    def _success(self) -> float:
        """How often the agent succeeds now, in worlds of neither training nor evaluation."""
        task, episodes = Task.of_config(self.config), self.config.val_episodes
        found = evaluate(self.agent, task, episodes, seed=VALIDATION_SEED, engine="tensor")
        return found.overall.success_rate

    def _save(self) -> None:
        now = time.monotonic()
        self.seconds, self.began = self.seconds + now - self.began, now
        self.saved_at = self.step
        learner = {
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "memory": self.state_BS,
        }
        state = {
            "learner": learner,
            "metrics": self.metrics.position(),
            "seconds": self.seconds,
            "sums": self.sums,
            "lessons": self.digest,
        }
        self.checkpointer.save(self.step, state)

    def _non_finite(self, lesson: Lesson) -> NonFiniteError:
        """Dump minibatch and parameters in the checkpoint format; the error to raise."""
        batch = lesson._asdict() | {"view": lesson.view._asdict()}
        state = {"lesson": batch, "memory": self.state_BS, "policy": self.policy.state_dict()}
        dump = Checkpointer(self.crash).save(self.step, state)
        return NonFiniteError(
            f"the loss or its gradient is NaN or infinite at step {self.step:,}; training stopped "
            f"before it could spread. The minibatch is in {dump}; checkpoints saved before are "
            "untouched. Try a smaller --learning-rate"
        )
