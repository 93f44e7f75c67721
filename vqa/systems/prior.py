"""The question-type prior: the most frequent training answer to questions of this type.

    logits[a] = log(1 + number of training questions of the type with the answer a)

Johnson et al. 2017, "CLEVR", section 4.1 (Q-type mode). The type is the last function of the
question's program (13 types), so the system reads programs, and counts those of the training; a
question without one, as in the official test split, gets the most frequent answer of all.

It is counted once from the whole training table, the stage ALL of its curriculum, before the first
step; a step then only measures the loss. So it goes through the one trainer, with one step.

Shapes: Q questions, P functions of a program, Y types, A answers.
"""

import torch
from torch import Tensor, nn

from vqa.batches import ALL, QuestionTable
from vqa.config import VQAConfig
from vqa.programs import ARITY


class QuestionTypePrior(nn.Module):
    """logits = log(1 + counts[type]).

    Args:
        num_answers: number of answers A.

    Attributes:
        counts: training questions of each type (row 0: of all types) with each answer, (Y, A).
    """

    reads_programs = True

    def __init__(self, num_answers: int) -> None:
        super().__init__()
        counts_YA = torch.zeros(len(ARITY), num_answers)
        self.counts = nn.Parameter(counts_YA, requires_grad=False)

    def count(self, table: QuestionTable) -> None:
        """Count the answers to the questions of the stage ALL, type by type."""
        asked = table.stage == ALL
        type_N, answer_N = table.programs[asked, 0].long(), table.answers[asked]
        counts_YA = torch.zeros_like(self.counts, device="cpu")
        counts_YA.index_put_((type_N, answer_N), torch.ones(len(type_N)), accumulate=True)
        counts_YA[0] = counts_YA.sum(dim=0)
        self.counts.copy_(counts_YA)

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
        programs_QP: Tensor | None = None,
    ) -> Tensor:
        """Map the programs' first functions (Q, P) to logits (Q, A); nothing else is read."""
        type_Q = tokens_QT.new_zeros(len(tokens_QT))
        if programs_QP is not None:
            type_Q = programs_QP[:, 0].to(tokens_QT.device)
        return self.counts.index_select(0, type_Q).log1p()


def build(config: VQAConfig, vocab_size: int, num_answers: int) -> QuestionTypePrior:
    """Build it; only the number of answers matters."""
    return QuestionTypePrior(num_answers)
