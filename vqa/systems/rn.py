"""Relation network: every pair of cells is looked at together, with the question.

    o_i = [cell i of the stem, its coordinates],   z = LSTM(words)
    logits = f_phi(mean_{i,j} g_theta(o_i, o_j, z))

g_theta is an MLP of four layers and f_phi one of three, dropout half before its last. Santoro et
al. 2017, "A simple neural network module for relational reasoning", sections 2, 4 and 5.1: images
of 128 pixels a side, 24 maps, 8x8 cells, words of 32, an LSTM of 128, all layers of 256. The
paper's sum is a mean here: f_phi begins with a linear map, so it can learn the same functions, and
its input has one size for any number of cells.

The first layer of g_theta is linear in the concatenation, so relu(A o_i + B o_j + C z + b) costs
three products per cell or question and one sum per pair; only the three layers after it cost a
product per pair. The number of pairs is the fourth power of the cells a side: there are at most 8
(further ones are pooled), and 6 in the preset `small`, whose stem has a fourth layer for that.

Shapes: B images, Q questions, T words, N cells, C channels, H height, W width, G width of g_theta,
A answers.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from film_rl.block import append_coordinates
from vqa.config import VQAConfig
from vqa.systems.parts import QuestionLSTM, cells, make_stem, mlp, of_question

MOST_SIDE = 8
DROPPED = 0.5


class RelationNetwork(nn.Module):
    """logits = f_phi(mean_{i,j} g_theta(o_i, o_j, z)).

    Args:
        config: `classifier_channels` is the width of g_theta, `classifier_hidden` that of f_phi.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
    """

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__()
        G, F_ = config.classifier_channels, config.classifier_hidden
        self.stem = make_stem(config)
        self.question = QuestionLSTM(vocab_size, config.word_dim, config.sentence_dim)
        self.pairs = FirstLayer(config.stem_channels + 2, config.sentence_dim, G)
        self.relation = nn.Sequential(mlp(G, G, G, G), nn.ReLU())
        self.answer = nn.Sequential(
            mlp(G, F_, F_), nn.ReLU(), nn.Dropout(DROPPED), nn.Linear(F_, num_answers)
        )

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about images: logits (Q, A); called like `QuestionAnswerer`."""
        maps_BCHW = self.stem(images_BCHW)
        if max(maps_BCHW.shape[2:]) > MOST_SIDE:
            maps_BCHW = F.adaptive_avg_pool2d(maps_BCHW, MOST_SIDE)
        objects_BNC = cells(append_coordinates(maps_BCHW))
        z_QD = self.question(tokens_QT)
        pairs_QNNG = self.pairs(objects_BNC, z_QD, image_of_question_Q).relu()
        mean_QG = self.relation(pairs_QNNG).mean(dim=(1, 2))
        logits_QA: Tensor = self.answer(mean_QG)
        return logits_QA


class FirstLayer(nn.Module):
    """A o_i + B o_j + C z + b for every pair: a linear map of [o_i, o_j, z], cell by cell."""

    def __init__(self, object_dim: int, sentence_dim: int, width: int) -> None:
        super().__init__()
        self.object_dim = object_dim
        self.linear = nn.Linear(2 * object_dim + sentence_dim, width)

    def forward(self, objects_BNC: Tensor, z_QD: Tensor, rows_Q: Tensor | None = None) -> Tensor:
        """Map objects and sentences to pairs (Q, N, N, G); the first N is i, the second j."""
        C = self.object_dim
        first_GC, second_GC, sentence_GD = self.linear.weight.tensor_split((C, 2 * C), dim=1)
        first_BNG, second_BNG = (F.linear(objects_BNC, w_GC) for w_GC in (first_GC, second_GC))
        of_z_QG = F.linear(z_QD, sentence_GD, self.linear.bias)
        first_QNG = of_question(first_BNG, rows_Q) + of_z_QG[:, None]
        return first_QNG[:, :, None] + of_question(second_BNG, rows_Q)[:, None]
