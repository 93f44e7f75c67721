"""The program generator of PG+EE: an LSTM reads the question, another writes its program.

    z = LSTM(words),   s_t = LSTM([embedding of token t-1, z]),   p(token t) = softmax(W s_t)

Tokens are functions in prefix order (`vqa.programs`). Such a program says itself where it ends: one
that is open for n inputs becomes open for n - 1 + arity. Johnson et al. 2017, "Inferring and
Executing Programs for Visual Reasoning", section 3; as in its code two layers of 256, words of 300.

Shapes: Q questions, T words, P tokens of the longest program, F functions, D state.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F_

from vqa.config import VQAConfig
from vqa.programs import ARITY, LONGEST
from vqa.systems.parts import QuestionLSTM

START = 0  # the padding's id: no program holds it


class ProgramGenerator(nn.Module):
    """From questions to programs.

    Args:
        config: `word_dim`, `sentence_dim` and `sentence_layers`, of both LSTMs.
        vocab_size: number of question tokens, padding included.
    """

    def __init__(self, config: VQAConfig, vocab_size: int) -> None:
        super().__init__()
        E, D, layers = config.word_dim, config.sentence_dim, config.sentence_layers
        self.question = QuestionLSTM(vocab_size, E, D, layers)
        self.embedding = nn.Embedding(len(ARITY), E)
        self.decoder = nn.LSTM(E + D, D, layers, batch_first=True)
        self.function = nn.Linear(D, len(ARITY) - 1)

    def loss(self, tokens_QT: Tensor, programs_QP: Tensor) -> Tensor:
        """Mean cross-entropy of the tokens of the right programs, each after those before it."""
        z_QD = self.question(tokens_QT)
        before_QP = F_.pad(programs_QP[:, :-1], (1, 0), value=START)
        logits_QPF, _ = self._step(before_QP, z_QD, None)
        return F_.cross_entropy(
            logits_QPF.flatten(0, 1).float(), programs_QP.flatten() - 1, ignore_index=-1
        )

    @torch.no_grad()
    def generate(self, tokens_QT: Tensor) -> Tensor:
        """Write the likeliest token, one after another: (Q, LONGEST), 0 after each program's end.

        A program that is not whole by then has no 0.
        """
        z_QD = self.question(tokens_QT)
        arity_F = torch.tensor(ARITY, device=tokens_QT.device)
        token_Q, state = tokens_QT.new_full((len(tokens_QT),), START), None
        open_Q = torch.ones_like(token_Q)
        written = []
        for _ in range(LONGEST):
            logits_Q1F, state = self._step(token_Q[:, None], z_QD, state)
            token_Q = (logits_Q1F[:, 0].argmax(dim=1) + 1) * (open_Q > 0)
            open_Q = open_Q + (arity_F[token_Q] - 1) * (open_Q > 0)
            written.append(token_Q)
        return torch.stack(written, dim=1)

    def _step(
        self, before_QP: Tensor, z_QD: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits of the tokens after those given, and the decoder's state after them."""
        z_QPD = z_QD[:, None].expand(-1, before_QP.shape[1], -1)
        inputs_QPE = torch.cat([self.embedding(before_QP).to(z_QD.dtype), z_QPD], dim=2)
        states_QPD, state = self.decoder(inputs_QPE, state)
        return self.function(states_QPD), state
