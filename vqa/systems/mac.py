"""MAC: a recurrent cell that decides what to do, reads the image for it, and writes what it found.

    cw_1 .. cw_T = LSTM both ways(words),   q = its last states,   K = ELU(conv(ELU(conv(stem))))
    control  c_i = sum_t softmax_t(w (u * cw_t)) cw_t,     u = W [c_{i-1}, W_i q]
    read     r_i = sum_n softmax_n(w (c_i * I'_n)) K_n,    I'_n = W [(W_m m_{i-1}) * (W_k K_n), K_n]
    write    m_i = W [r_i, m_{i-1}]                        logits = MLP([q, m_p])

Hudson and Manning 2018, "Compositional Attention Networks for Machine Reasoning", section 3, biases
left out above; 12 steps, size 512, words of 300. The c_0 and m_0 are parameters. As in the authors'
code, ELU is applied to I' and to c_i * I', and K is two 3x3 convolutions. Its tanh in the control
unit, its dropout and its averaging of the weights over time are left out; the image has coordinates
where the configuration has them.

W_k K and the half of W that reads K do not depend on the step or the question: they are computed
once an image. The parameters are shared by all steps, but for W_i.

Shapes: B images, Q questions, T words, N cells, C channels, H height, W width, D size of every
vector, J earlier steps, A answers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from film_rl.block import append_coordinates
from vqa.config import VQAConfig
from vqa.systems.parts import (
    BothWays,
    attention,
    cells,
    make_stem,
    mlp,
    of_question,
    word_counts,
)


class MAC(nn.Module):
    """logits = MLP([q, m_p]) after p = `blocks` steps of control, read and write.

    Args:
        config: `blocks` steps of size `sentence_dim`, which is even.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
        self_attention: a step also writes what earlier steps remembered, by how alike their
            controls are: an extension of the cell, in section 3.2.3.
    """

    def __init__(
        self, config: VQAConfig, vocab_size: int, num_answers: int, *, self_attention: bool = False
    ) -> None:
        super().__init__()
        D = config.sentence_dim
        self.coords = config.coords
        self.stem = make_stem(config)
        self.knowledge = nn.Sequential(
            nn.Conv2d(config.stem_channels + 2 * config.coords, D, 3, padding=1), nn.ELU(),
            nn.Conv2d(D, D, 3, padding=1), nn.ELU(),
        )  # fmt: skip
        self.embedding = nn.Embedding(vocab_size, config.word_dim)
        self.words = BothWays(nn.LSTM, config.word_dim, D)
        self.steps = nn.ModuleList(nn.Linear(D, D) for _ in range(config.blocks))
        self.control = ControlUnit(D)
        self.read = ReadUnit(D)
        self.write = WriteUnit(D, self_attention)
        self.first_control = nn.Parameter(torch.randn(D) / D**0.5)
        self.first_memory = nn.Parameter(torch.randn(D) / D**0.5)
        self.classifier = mlp(2 * D, config.classifier_hidden, num_answers)

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about images: logits (Q, A); called like `QuestionAnswerer`."""
        maps_BCHW = self.stem(images_BCHW)
        maps_BCHW = append_coordinates(maps_BCHW) if self.coords else maps_BCHW
        knowledge_BND = cells(self.knowledge(maps_BCHW))
        looked_up = [of_question(x, image_of_question_Q) for x in self.read.prepare(knowledge_BND)]
        words_QTD, q_QD = self.words(self.embedding(tokens_QT), word_counts(tokens_QT))
        controls = [self.first_control.expand_as(q_QD)]
        memories = [self.first_memory.expand_as(q_QD)]
        for step in self.steps:
            controls.append(self.control(controls[-1], step(q_QD), words_QTD, tokens_QT))
            read_QD = self.read(memories[-1], controls[-1], *looked_up)
            memories.append(self.write(read_QD, memories, controls))
        logits_QA: Tensor = self.classifier(torch.cat([q_QD, memories[-1]], dim=1))
        return logits_QA


class ControlUnit(nn.Module):
    """c = sum_t softmax_t(w (u * cw_t)) cw_t with u = W [c_before, q_i] + b (section 3.2.1)."""

    def __init__(self, D: int) -> None:
        super().__init__()
        self.both = nn.Linear(2 * D, D)
        self.score = nn.Linear(D, 1, bias=False)  # softmax takes no notice of a bias

    def forward(
        self, control_QD: Tensor, q_QD: Tensor, words_QTD: Tensor, tokens_QT: Tensor
    ) -> Tensor:
        """The next control (Q, D)."""
        u_QD = self.both(torch.cat([control_QD, q_QD], dim=1))
        # w (u * cw) = (w * u) cw: one product with the words, none as large as they are.
        scores_QT = (words_QTD @ (self.score.weight * u_QD)[:, :, None])[:, :, 0]
        weights_QT = attention(scores_QT, tokens_QT).to(words_QTD.dtype)
        return (weights_QT[:, None] @ words_QTD)[:, 0]


class ReadUnit(nn.Module):
    """r = sum_n softmax_n(w ELU(c * ELU(I'_n))) K_n (section 3.2.2).

    I'_n = W [(W_m m + b_m) * (W_k K_n + b_k), K_n] + b.
    """

    def __init__(self, D: int) -> None:
        super().__init__()
        self.memory = nn.Linear(D, D)
        self.key = nn.Linear(D, D)
        self.interaction = nn.Linear(D, D, bias=False)  # the two halves of W
        self.plain = nn.Linear(D, D)
        self.score = nn.Linear(D, 1, bias=False)  # softmax takes no notice of a bias

    def prepare(self, knowledge_BND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What depends on the image alone: K, W_k K + b_k, and K's half of W [.., K] + b."""
        return knowledge_BND, self.key(knowledge_BND), self.plain(knowledge_BND)

    def forward(
        self,
        memory_QD: Tensor,
        control_QD: Tensor,
        knowledge_QND: Tensor,
        keys_QND: Tensor,
        plain_QND: Tensor,
    ) -> Tensor:
        """What is read, (Q, D)."""
        related_QND = self.memory(memory_QD)[:, None] * keys_QND
        read_QND = F.elu(self.interaction(related_QND) + plain_QND)
        scores_QN1 = self.score(F.elu(control_QD[:, None] * read_QND))
        weights_QN1 = scores_QN1.float().softmax(dim=1).to(knowledge_QND.dtype)
        return (weights_QN1.transpose(1, 2) @ knowledge_QND)[:, 0]


class WriteUnit(nn.Module):
    """m = W [r, m_before] + b; with self-attention m' = W_s sum_j a_j m_j + W_p m (section 3.2.3).

    a = softmax_j(w (c * c_j)) over the earlier steps j.
    """

    def __init__(self, D: int, self_attention: bool) -> None:
        super().__init__()
        self.both = nn.Linear(2 * D, D)
        self.score = nn.Linear(D, 1, bias=False) if self_attention else None
        self.earlier = nn.Linear(2 * D, D) if self_attention else None

    def forward(self, read_QD: Tensor, memories: list[Tensor], controls: list[Tensor]) -> Tensor:
        """The next memory (Q, D); of the controls the last is this step's."""
        memory_QD: Tensor = self.both(torch.cat([read_QD, memories[-1]], dim=1))
        if self.score is None or self.earlier is None:
            return memory_QD
        *before, control_QD = controls
        alike_QJ1 = self.score(torch.stack(before, dim=1) * control_QD[:, None])
        weights_QJ1 = alike_QJ1.float().softmax(dim=1).to(memory_QD.dtype)
        attended_QD = (weights_QJ1 * torch.stack(memories, dim=1)).sum(dim=1)
        mixed_QD: Tensor = self.earlier(torch.cat([attended_QD, memory_QD], dim=1))
        return mixed_QD
