"""Conditional batch normalisation: the question changes the affine of every batch norm.

    CBN(x) = (gamma + dgamma) * (x - mean) / std + beta + dbeta,   [dgamma | dbeta] = MLP(z)
    r = relu(CBN(conv1([x, coords]))),   out = r + relu(CBN(conv2(r)))

gamma and beta are parameters, 1 and 0 at first; each norm has an MLP with one hidden layer, whose
last layer starts from 0, so that a fresh network is an ordinary one with batch norm.

De Vries et al. 2017, "Modulating early visual processing by language", section 3, there in a
trained ResNet, whose own gamma and beta stay as they are. The published number on CLEVR is that of
Perez et al. 2017, "Learning Visual Reasoning Without Strong Priors", of another network. Here,
against FiLM: both norms of a block are conditioned, the deltas add to an affine that all questions
share, and their generator is an MLP. The stem is not conditioned: it would have to run once a
question.

Shapes: B images, Q questions, T words, C channels, H height, W width, D sentence, A answers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from film_rl import SentenceEncoder, film
from film_rl.block import append_coordinates
from vqa.config import VQAConfig
from vqa.model import Classifier
from vqa.systems.parts import make_stem, mlp, of_question


class ConditionalBatchNorm(nn.Module):
    """CBN(x) = (gamma + dgamma) * (x - mean) / std + beta + dbeta, both deltas an MLP of z.

    Args:
        channels: of x.
        dim: size D of the sentence; the MLP's hidden layer is as wide.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.deltas = mlp(dim, dim, 2 * channels)
        for parameter in self.deltas[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x_BCHW: Tensor, z_QD: Tensor, rows_Q: Tensor | None = None) -> Tensor:
        """Map (B, C, H, W), of which `rows_Q` tells each question's, to (Q, C, H, W)."""
        dgamma_QC, dbeta_QC = self.deltas(z_QD).chunk(2, dim=1)
        x_QCHW = of_question(self.norm(x_BCHW), rows_Q)
        return film(x_QCHW, self.gamma + dgamma_QC, self.beta + dbeta_QC)


class ConditionalBlock(nn.Module):
    """r = relu(CBN(conv1([x, coords]))); out = r + relu(CBN(conv2(r)))."""

    def __init__(self, in_channels: int, config: VQAConfig) -> None:
        super().__init__()
        self.coords, self.residual = config.coords, config.residual
        C, D, kernel = config.channels, config.sentence_dim, config.kernel_size
        self.conv1 = nn.Conv2d(in_channels + 2 * config.coords, C, 1)
        self.norm1 = ConditionalBatchNorm(C, D)
        self.conv2 = nn.Conv2d(C, C, kernel, padding=kernel // 2)
        self.norm2 = ConditionalBatchNorm(C, D)

    def forward(self, x_BCHW: Tensor, z_QD: Tensor, rows_Q: Tensor | None = None) -> Tensor:
        """Map (B, in_channels, H, W) to (Q, channels, H, W)."""
        y_BCHW = self.conv1(append_coordinates(x_BCHW) if self.coords else x_BCHW)
        r_QCHW = F.relu(self.norm1(y_BCHW, z_QD, rows_Q))
        y_QCHW = F.relu(self.norm2(self.conv2(r_QCHW), z_QD))
        return r_QCHW + y_QCHW if self.residual else y_QCHW


class ConditionalResNet(nn.Module):
    """logits = classifier(conditional blocks(stem(image), GRU(words))).

    Args:
        config: sizes, as of FiLM.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
    """

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__()
        self.stem = make_stem(config)
        self.question = SentenceEncoder(vocab_size, config.word_dim, config.sentence_dim)
        inputs = [config.stem_channels] + [config.channels] * (config.blocks - 1)
        self.blocks = nn.ModuleList(ConditionalBlock(C, config) for C in inputs)
        self.classifier = Classifier(
            config.channels,
            config.classifier_channels,
            config.classifier_hidden,
            num_answers,
            config.coords,
        )

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about images: logits (Q, A); called like `QuestionAnswerer`."""
        z_QD = self.question(tokens_QT)
        x_QCHW, rows_Q = self.stem(images_BCHW), image_of_question_Q
        for block in self.blocks:
            x_QCHW, rows_Q = block(x_QCHW, z_QD, rows_Q), None
        logits_QA: Tensor = self.classifier(x_QCHW)
        return logits_QA
