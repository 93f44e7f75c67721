"""Training with exact resume: a checkpoint between two batches holds all that decides the rest."""

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from film_rl.run import (
    Checkpoint,
    Checkpointer,
    Interrupted,
    Metrics,
    NonFiniteError,
    Progress,
    RunFolder,
    StopRequest,
    UserError,
    choose_device,
    choose_precision,
    keep_freed_memory,
    set_rng_state,
)
from vqa.batches import FIRST, Batches, Images, QuestionTable
from vqa.config import VQAConfig
from vqa.images import images_on
from vqa.learner import Learner, accuracy, dump_crash, learning_rate
from vqa.systems import build_system, check_programs

VALIDATED = 5_000  # questions an evaluation during training asks; the final one asks all


@dataclass(frozen=True)
class Split:
    """Images, bytes (N, 3, H, W), and questions about them."""

    images: Images
    table: QuestionTable

    def first(self, questions: int) -> "Split":
        """The same images with the first questions only."""
        return Split(self.images, self.table.take(torch.arange(min(questions, len(self.table)))))

    def after(self, first: "Split") -> "Split":
        """This split, and before it in the curriculum another one of equal form."""
        tables = (self.table, first.table)
        together = QuestionTable(
            _below([table.tokens for table in tables]),
            torch.cat([table.lengths for table in tables]),
            torch.cat([table.answers for table in tables]),
            torch.cat([self.table.images, first.table.images + len(self.images)]),
            torch.cat([self.table.stage, torch.full_like(first.table.stage, FIRST)]),
            _below([table.programs for table in tables]),
        )
        images = [torch.as_tensor(split.images) for split in (self, first)]
        return Split(torch.cat(images), together)

    def to(self, device: torch.device) -> "Split":
        """The images on the device, where they fit."""
        if isinstance(self.images, torch.Tensor):
            return Split(images_on(self.images, device), self.table)
        return self


def _below(parts: list[Tensor]) -> Tensor:
    """Rows of ids under one another, the shorter ones padded."""
    width = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[1])) for part in parts])


def make_learner(config: VQAConfig, vocab_size: int, num_answers: int) -> Learner:
    """The system as the configuration says, fresh, on its device.

    Raises:
        UserError: there is no such system; the device or precision is not to be had.
    """
    device = choose_device(config.device)
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    model = build_system(config, vocab_size, num_answers)
    precision = choose_precision(config.precision, device)
    return Learner(model, device, precision, config.weight_decay, config.clip)


def train(
    config: VQAConfig, train_split: Split, val_split: Split, learner: Learner, run: RunFolder
) -> float:
    """Train from the newest checkpoint of the run (or the start) to the end.

    Call `seed_everything(config.seed)` before the learner is made: then equal configurations and
    data give equal runs. The processes of a learner's team all call this with equal arguments, and
    it ends alike in all.

    Returns:
        The seconds that all training of this run has taken.

    Raises:
        Interrupted: SIGINT or SIGTERM came; a checkpoint was saved first.
        NonFiniteError: a number became NaN; the last good checkpoint is untouched.
        UserError: no checkpoint can be read or written; a batch cannot be divided; the system
            learns from programs, and a question has none.
    """
    check_programs(config, train_split.table)
    checkpoint = Checkpointer(run.checkpoints).load()
    learner.team.wait()  # all have read it: the first may write again
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        loop = _Loop(config, train_split, val_split, learner, run, stop)
        if learner.team.first:
            metrics = Metrics(run.path, checkpoint.state["metrics"] if checkpoint else None)
            loop.metrics = stack.enter_context(closing(metrics))
        learner.count(train_split.table)
        if checkpoint:
            loop.restore(checkpoint.step, checkpoint.state)
        with loop.progress:
            loop.run()
        return loop.seconds


class _Loop:
    """Between two batches: log, evaluate, save when it is time, stop when asked to."""

    def __init__(
        self,
        config: VQAConfig,
        train_split: Split,
        val_split: Split,
        learner: Learner,
        run: RunFolder,
        stop: StopRequest,
    ) -> None:
        self.config, self.learner, self.team = config, learner, learner.team
        split = train_split.to(learner.device)
        self.batches = Batches(split.images, split.table, config, self.team.part)
        self.val_split = val_split.first(VALIDATED).to(learner.device)
        self.folder, self.stop = run, stop
        self.metrics: Metrics | None = None  # the first process writes them
        console = Console(quiet=not self.team.first)
        self.progress = Progress(self.batches.steps, metric="held-out accuracy", console=console)
        self.step = self.saved_at = 0
        self.seconds, self.began = 0.0, time.monotonic()
        self.sums = [0.0, 0.0]  # of loss and accuracy since the last record
        self.best, self.worse = 0.0, 0  # best held-out accuracy, evaluations since

    def run(self) -> None:
        """Go on until the last batch, or until there is no more progress."""
        if not self._finished():
            for batch in self.batches.loader(self.step):
                self._update(batch)
                self._between()
                if self._finished():
                    break
        if self.saved_at < self.step:
            self._save()

    def restore(self, step: int, state: dict[str, Any]) -> None:
        """Put everything to where `_save` was."""
        self.step = self.saved_at = self.progress.start = step
        self.learner.model.load_state_dict(state["learner"]["model"])
        self.learner.optimizer.load_state_dict(state["learner"]["optimizer"])
        self.sums, self.seconds = state["sums"], state["seconds"]
        self.best, self.worse = state["best"], state["worse"]
        set_rng_state(state["learner"]["rng"])

    def _finished(self) -> bool:
        out_of_patience = 0 < self.config.patience <= self.worse
        return self.step >= self.batches.steps or out_of_patience

    def _update(self, batch: Any) -> None:
        rate = self._rate()
        try:
            loss, right = self.learner.update(batch, rate)
        except NonFiniteError as error:
            dump = self._dump_crash()
            raise NonFiniteError(
                f"{error} at step {self.step:,}; training stopped before it could spread. The "
                f"batch is in {dump}, the last good checkpoint is untouched. "
                "Try a smaller --learning-rate"
            ) from None
        self.sums = [self.sums[0] + loss, self.sums[1] + right]
        self.step += 1

    def _dump_crash(self) -> Path:
        """Write the whole batch, whichever process's part of it was bad."""
        folder = self.folder.path / "crash"
        if self.team.first:
            images, table = self.batches.images, self.batches.table
            batch = Batches(images, table, self.config)[self.step]
            dump_crash(folder, self.step, self.learner, batch)
        self.team.wait()
        return folder

    def _rate(self) -> float:
        config = self.config
        return learning_rate(
            self.step, self.batches.steps, config.learning_rate, config.warmup, config.fall
        )

    def _between(self) -> None:
        config = self.config
        values: dict[str, float] = {}
        if self.step % config.log_every == 0:
            loss, right = (value / config.log_every for value in self.sums)
            self.sums = [0.0, 0.0]
            stage = float(self.batches.stage(self.step - 1))
            values = {"train/loss": loss, "train/accuracy": right, "train/stage": stage}
            values["train/learning_rate"] = self._rate()
        held_out = None
        if self.step % config.eval_every == 0 or self.step == self.batches.steps:
            held_out = values["val/accuracy"] = self._evaluate()
        if values and self.metrics:
            self.metrics.log(self.step, values)
        self.progress.update(self.step, held_out)
        signum = int(self.team.largest(self.stop.signum or 0))
        if signum or self.step - self.saved_at >= config.checkpoint_every:
            self._save()
        if signum:
            raise Interrupted(signum)

    def _evaluate(self) -> float:
        """The held-out accuracy: the first process asks, the others hear of it."""
        held_out = 0.0
        if self.team.first:
            held_out = accuracy(self.learner, self.val_split.images, self.val_split.table)
        held_out = self.team.largest(held_out)
        if held_out > self.best:
            self.best, self.worse = held_out, 0
            if self.config.patience and self.team.first:
                best = Checkpointer(self.folder.path / "best")
                best.save(self.step, {"learner": {"model": self.learner.model.state_dict()}})
        else:
            self.worse += 1
        return held_out

    def _save(self) -> None:
        now = time.monotonic()
        self.seconds, self.began = self.seconds + now - self.began, now
        self.saved_at = self.step
        if self.metrics:
            self._write(self.metrics)
        self.team.wait()

    def _write(self, metrics: Metrics) -> None:
        state = {
            "learner": self.learner.state(),
            "sums": self.sums,
            "best": self.best,
            "worse": self.worse,
            "metrics": metrics.position(),
            "seconds": self.seconds,
        }
        Checkpointer(self.folder.checkpoints).save(self.step, state)


def trained(config: VQAConfig, run: RunFolder) -> Checkpoint:
    """What training came to: the best checkpoint with --patience, else the last.

    Raises:
        UserError: the run has no checkpoint yet.
    """
    best = Checkpointer(run.path / "best").load() if config.patience else None
    checkpoint = best or Checkpointer(run.checkpoints).load()
    if checkpoint is None:
        raise UserError(
            f"{run.path} has no checkpoint yet; train it with --run {run.path} --resume"
        )
    return checkpoint


def restore_trained(config: VQAConfig, learner: Learner, run: RunFolder) -> int:
    """Put a fresh learner to the trained weights: the best with --patience, else the last.

    Returns:
        The step they were taken at.

    Raises:
        UserError: the run has no checkpoint yet, or one of another configuration.
    """
    checkpoint = trained(config, run)
    load_weights(learner, checkpoint.state["learner"]["model"], run)
    return checkpoint.step


def load_weights(learner: Learner, state: Any, run: RunFolder) -> None:
    """Put a learner to weights of a run; a UserError where they are of another configuration."""
    try:
        learner.model.load_state_dict(state)
    except (RuntimeError, KeyError, TypeError) as error:
        raise UserError(
            f"{run.path}: the checkpoint is not of this configuration ({error})"
        ) from None
