"""Stacked attention networks: the question looks at the image, and again with what it saw.

    u_0 = LSTM(words) P,   v_i = cell i of the stem P'
    h_i = tanh(W_v v_i + W_u u + b),   p = softmax_i(w h_i),   u <- u + sum_i p_i v_i   (a glimpse)
    logits = MLP(u)

Yang et al. 2016, "Stacked Attention Networks for Image Question Answering", as in Johnson et al.
2017, "CLEVR", section 4.1 (CNN+LSTM+SA), here with two glimpses. The number in table 1 of Perez et
al. 2018 is of the variant of Santoro et al. 2017, trained end to end. P and P' bring question and
cells to one size, that of the attention.

W_v v_i depends on the image alone, so it is computed once an image, whatever is asked about it.

Shapes: B images, Q questions, T words, N cells, C channels, H height, W width, K size of u and v,
A answers.
"""

import torch
from torch import Tensor, nn

from vqa.config import VQAConfig
from vqa.systems.parts import QuestionLSTM, cells, make_stem, mlp, of_question


class StackedAttention(nn.Module):
    """logits = MLP(u after all glimpses).

    Args:
        config: `blocks` glimpses, of size `classifier_channels`.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
    """

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__()
        size = config.classifier_channels
        self.stem = make_stem(config)
        self.cell = nn.Linear(config.stem_channels, size)
        self.question = QuestionLSTM(
            vocab_size, config.word_dim, config.sentence_dim, config.sentence_layers
        )
        self.start = nn.Linear(config.sentence_dim, size)
        self.glimpses = nn.ModuleList(Glimpse(size) for _ in range(config.blocks))
        self.classifier = mlp(size, config.classifier_hidden, num_answers)

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about images: logits (Q, A); called like `QuestionAnswerer`."""
        v_BNK = self.cell(cells(self.stem(images_BCHW)))
        u_QK = self.start(self.question(tokens_QT))
        v_QNK = of_question(v_BNK, image_of_question_Q)
        for glimpse in self.glimpses:
            u_QK = u_QK + glimpse(u_QK, v_BNK, v_QNK, image_of_question_Q)
        logits_QA: Tensor = self.classifier(u_QK)
        return logits_QA


class Glimpse(nn.Module):
    """sum_i p_i v_i with p = softmax_i(w tanh(W_v v_i + W_u u + b))."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size, bias=False)
        self.query = nn.Linear(size, size)
        self.score = nn.Linear(size, 1, bias=False)  # softmax takes no notice of a bias

    def forward(
        self, u_QK: Tensor, v_BNK: Tensor, v_QNK: Tensor, rows_Q: Tensor | None = None
    ) -> Tensor:
        """What is seen, (Q, K), of cells given once an image and once a question."""
        keys_QNK = of_question(self.key(v_BNK), rows_Q)
        h_QNK = torch.tanh(keys_QNK + self.query(u_QK)[:, None])
        p_Q1N = self.score(h_QNK).softmax(dim=1).transpose(1, 2)
        return (p_Q1N.to(v_QNK.dtype) @ v_QNK)[:, 0]
