"""One gradient step, and answering: what training, the baseline and evaluation share.

Shapes: N all questions, Q questions of a batch, A answers.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from film_rl.run import Checkpointer, NonFiniteError, Team, autocast, rng_state
from vqa.batches import Batch, Images, QuestionTable, batch_of
from vqa.model import to_input

ANSWERED_AT_ONCE = 640


def learning_rate(step: int, steps: int, peak: float, warmup: int, fall: float) -> float:
    """The step size of step number `step`: a linear rise, `peak`, a linear fall to 0 at the end."""
    rise = min(1.0, (step + 1) / (warmup + 1))
    left = (steps - step) / (fall * steps) if fall else 1.0
    return peak * min(rise, left, 1.0)


class Learner:
    """A network that answers questions, and the optimiser that trains it.

    Args:
        model: called like `QuestionAnswerer`, with the questions' programs after that where it has
            an attribute `reads_programs`. It may have a `loss(images_BCHW, batch)` of its own,
            giving the loss and the logits (Q, A), and a `count(table)` that learns without
            gradient.
        device: where it lives.
        precision: of its matrix products.
        weight_decay: Adam's L2 penalty.
        clip: largest norm of the gradient; 0: any.

    Attributes:
        team: the processes that share each batch; one, until `join`.
        tuned: the parts that training changes; the whole model, until `tune`.
    """

    def __init__(
        self,
        model: nn.Module,
        device: torch.device,
        precision: torch.dtype,
        weight_decay: float,
        clip: float,
    ) -> None:
        self.model = model.to(device)
        nn.utils.convert_conv2d_weight_memory_format(self.model, torch.channels_last)
        self.device, self.precision = device, precision
        self.clip = clip or float("inf")
        fused = True if device.type == "cuda" else None
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), weight_decay=weight_decay, fused=fused
        )
        self.team = Team()
        self.tuned: tuple[nn.Module, ...] = (self.model,)

    def tune(self, *parts: nn.Module) -> None:
        """Train these parts only: all else stays as it is, also what batch norms have measured."""
        self.tuned = parts
        self.model.requires_grad_(False)  # Adam passes by what has no gradient
        for part in parts:
            part.requires_grad_(True)

    def join(self, team: Team) -> None:
        """Train with other processes from now on: each gives `update` its part of the batch."""
        self.team = team
        team.prepare(self.model)

    def logits(self, batch: Batch) -> Tensor:
        """Answer a batch: logits (Q, A) in float32."""
        images_BCHW, batch = self._on_device(batch)
        reads_programs = getattr(self.model, "reads_programs", False)
        programs = (batch.programs,) if reads_programs else ()
        with autocast(self.device, self.precision):
            logits_QA: Tensor = self.model(
                images_BCHW, batch.tokens, batch.rows, batch.lengths, *programs
            )
        return logits_QA.float()

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss and the logits (Q, A) of a batch: the model's own, or the cross-entropy."""
        own = getattr(self.model, "loss", None)
        if own is None:
            logits_QA = self.logits(batch)
            return F.cross_entropy(logits_QA, batch.answers.to(self.device)), logits_QA
        with autocast(self.device, self.precision):
            loss, logits_QA = own(*self._on_device(batch))
        return loss, logits_QA.float()

    def _on_device(self, batch: Batch) -> tuple[Tensor, Batch]:
        """The input and the batch. Its lengths and programs stay on the CPU, which reads them."""
        return to_input(batch.images, self.device), batch._replace(
            tokens=batch.tokens.to(self.device, non_blocking=True),
            rows=batch.rows.to(self.device, non_blocking=True),
            answers=batch.answers.to(self.device, non_blocking=True),
        )

    def count(self, table: QuestionTable) -> None:
        """Let a model that counts learn from all training questions; others do nothing."""
        if count := getattr(self.model, "count", None):
            count(table)

    def update(self, batch: Batch, rate: float) -> tuple[float, float]:
        """One gradient step with this learning rate; the loss and the accuracy before it.

        Loss, accuracy and gradient are those of the whole team's batch.

        Raises:
            NonFiniteError: the loss or a gradient is NaN or infinite; nothing was changed.
        """
        self.model.eval()
        for part in self.tuned:
            part.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, logits_QA = self.loss(batch)
        answers_Q = batch.answers.to(self.device)
        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:  # a model that counts has none
            loss.backward()
        right = (logits_QA.argmax(1) == answers_Q).float().mean()
        self._average([loss.detach(), right], weight=len(answers_Q))
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        if not torch.isfinite(norm):
            raise NonFiniteError("the loss or a gradient is NaN or infinite")
        self.optimizer.step()
        return loss.item(), right.item()

    def _average(self, figures: list[Tensor], weight: int) -> None:
        """Make gradients, running means of batch norms and these figures those of the team's batch.

        A parameter that no process's part of the batch has used keeps having no gradient: with one
        of 0, Adam's weight decay alone would move it, as far as a gradient does.
        """
        learned = [p for p in self.model.parameters() if p.requires_grad]
        unused = [i for i, p in enumerate(learned) if p.grad is None]
        used = torch.ones(len(learned), device=self.device)
        for i in unused:
            learned[i].grad, used[i] = torch.zeros_like(learned[i]), 0.0
        gradients = [p.grad for p in learned if p.grad is not None]
        moving = [b for part in self.tuned for b in part.buffers() if b.is_floating_point()]
        self.team.average([*gradients, *moving, used, *figures], weight)
        for i in unused:
            if not used[i]:
                learned[i].grad = None

    def state(self) -> dict[str, Any]:
        """Parameters, optimiser and random number generators."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": rng_state(),
        }


@torch.inference_mode()
def predict(learner: Learner, images: Images, table: QuestionTable) -> Tensor:
    """The probability of each answer to each question, (N, A), in evaluation mode."""
    learner.model.eval()
    order = torch.argsort(table.images, stable=True)
    parts = [
        learner.logits(batch_of(images, table, index_Q)).softmax(dim=1).cpu()
        for index_Q in order.split(ANSWERED_AT_ONCE)
    ]
    probabilities_NA = torch.empty(len(table), parts[0].shape[1])
    probabilities_NA[order] = torch.cat(parts)
    return probabilities_NA


def accuracy(learner: Learner, images: Images, table: QuestionTable) -> float:
    """The share of the questions that are answered right."""
    right = predict(learner, images, table).argmax(dim=1) == table.answers
    return right.float().mean().item()


def dump_crash(folder: Path, step: int, learner: Learner, batch: Batch) -> Path:
    """Write the batch and the state in which training stopped, in the checkpoint format."""
    return Checkpointer(folder).save(step, {"batch": batch._asdict(), "learner": learner.state()})
