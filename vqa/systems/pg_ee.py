"""PG+EE: a program generator reads the question, an execution engine runs its program on the image.

    training:    loss = cross-entropy(answer | image, right program) + cross-entropy(right program | question)
    evaluation:  logits = engine(image, generator(question))

Johnson et al. 2017, "Inferring and Executing Programs for Visual Reasoning", section 3, supervised
with all programs ("700K prog."), without the fine-tuning by REINFORCE that fewer programs need. The
two share no parameters, so they are trained in one step. While it trains, the training accuracy is
the engine's with the right programs; the held-out one is with predicted programs.

A predicted program may fit no types and is run nevertheless, as all values are maps. One that is not
whole after 27 functions cannot be run: its question gets equal logits, the first answer, which is as
good as a guess. `figures` tells how many those are.

Shapes: B images, Q questions, T words, P tokens of a program, C channels, H height, W width,
A answers.
"""  # noqa: E501 - a formula is one line

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.batches import Batch, QuestionTable
from vqa.config import VQAConfig
from vqa.model import lengths
from vqa.programs import ARITY, LONGEST
from vqa.systems.executor import Executor
from vqa.systems.seq2seq import ProgramGenerator

AT_ONCE = 640  # questions


class ProgramAnswerer(nn.Module):
    """logits = engine(image, generator(question)).

    Args:
        config: sizes of both parts.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
    """

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__()
        self.generator = ProgramGenerator(config, vocab_size)
        self.engine = Executor(config, num_answers)

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about images by predicted programs: logits (Q, A)."""
        programs_QP = self.generator.generate(tokens_QT)
        return self._run(images_BCHW, programs_QP, image_of_question_Q)

    def loss(self, images_BCHW: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The sum of both losses, and the logits (Q, A) by the right programs."""
        logits_QA = self._run(images_BCHW, batch.programs, batch.rows)
        of_program = self.generator.loss(batch.tokens, batch.programs.to(batch.tokens.device))
        return F.cross_entropy(logits_QA.float(), batch.answers) + of_program, logits_QA

    def _run(self, images_BCHW: Tensor, programs_QP: Tensor, rows_Q: Tensor | None) -> Tensor:
        rows = range(len(programs_QP)) if rows_Q is None else rows_Q.tolist()
        logits_QA: Tensor = self.engine(images_BCHW, programs_QP.tolist(), rows)
        return logits_QA

    @torch.inference_mode()
    def figures(self, table: QuestionTable) -> dict[str, Any]:
        """How good the predicted programs are: the share exactly right, and not whole."""
        self.eval()
        device = self.generator.function.weight.device
        right = whole = 0
        for part_QT, programs_QP in zip(
            table.tokens.split(AT_ONCE), table.programs.split(AT_ONCE), strict=True
        ):
            used = part_QT[:, : int(lengths(part_QT).max())].long().to(device)
            written_QP = self.generator.generate(used).cpu()
            width = LONGEST - programs_QP.shape[1]
            right_QP = F.pad(programs_QP, (0, max(width, 0)))[:, :LONGEST]
            known_Q = programs_QP[:, 0] > 0
            whole_Q = _open(written_QP) == 0
            right += int(((written_QP == right_QP).all(dim=1) & known_Q & whole_Q).sum())
            whole += int(whole_Q.sum())
        questions = int((table.programs[:, 0] > 0).sum())
        return {
            "exactly_right": right / questions if questions else None,
            "questions_with_program": questions,
            "not_whole": 1 - whole / len(table),
        }


def _open(programs_QP: Tensor) -> Tensor:
    """How many inputs each program still lacks."""
    arity_F = torch.tensor(ARITY)
    return 1 + ((arity_F[programs_QP] - 1) * (programs_QP > 0)).sum(dim=1)
