"""The paper's network as plainly as it can be written, and how the original trains it.

It is what clevr_speed.py compares with: each question with its own copy of the image, the GRU over
padding too, all in float32. Only the search for the last word, a loop over all words in the
original, is written for speed. With equal weights it computes what `vqa.model` does.

Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer", sections 2.2, 7.2.

Shapes: Q questions, T words, C channels, H height, W width, A answers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.batches import Batch
from vqa.config import VQAConfig

LONGEST = 46  # tokens of the original's training questions, padding included


class PlainBlock(nn.Module):
    """r = relu(conv1([x, coords])); out = r + relu(gamma * norm(conv2(r)) + beta)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels + 2, channels, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x_QCHW: Tensor, gamma_QC: Tensor, beta_QC: Tensor) -> Tensor:
        """Modulate one block's features."""
        r_QCHW = F.relu(self.conv1(with_coordinates(x_QCHW)))
        y_QCHW = self.norm(self.conv2(r_QCHW))
        return r_QCHW + F.relu(gamma_QC[:, :, None, None] * y_QCHW + beta_QC[:, :, None, None])


class PlainFiLM(nn.Module):
    """Images (Q, 3, H, W) and tokens (Q, T) to logits (Q, A)."""

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__()
        channels, pooled = config.channels, config.classifier_channels
        self.embedding = nn.Embedding(vocab_size, config.word_dim)
        self.gru = nn.GRU(config.word_dim, config.sentence_dim, batch_first=True)
        self.generator = nn.Linear(config.sentence_dim, config.blocks * 2 * channels)
        stem: list[nn.Module] = []
        for layer in range(config.stem_layers):
            inputs = config.stem_channels if layer else 3
            stem += [nn.Conv2d(inputs, config.stem_channels, 4, stride=2, padding=1)]
            stem += [nn.BatchNorm2d(config.stem_channels), nn.ReLU()]
        self.stem = nn.Sequential(*stem)
        self.blocks = nn.ModuleList([PlainBlock(channels) for _ in range(config.blocks)])
        self.before_pool = nn.Sequential(
            nn.Conv2d(channels + 2, pooled, 1), nn.BatchNorm2d(pooled), nn.ReLU()
        )
        self.after_pool = nn.Sequential(
            nn.Linear(pooled, config.classifier_hidden),
            nn.BatchNorm1d(config.classifier_hidden),
            nn.ReLU(),
            nn.Linear(config.classifier_hidden, num_answers),
        )

    def forward(self, images_QCHW: Tensor, tokens_QT: Tensor) -> Tensor:
        """Answer each question about its own image."""
        states_QTD, _ = self.gru(self.embedding(tokens_QT))
        last_Q = (tokens_QT != 0).sum(dim=1) - 1
        z_QD = states_QTD[torch.arange(len(tokens_QT), device=last_Q.device), last_Q]
        film = self.generator(z_QD).chunk(2 * len(self.blocks), dim=1)
        x_QCHW = self.stem(images_QCHW)
        for block, delta_QC, beta_QC in zip(self.blocks, film[::2], film[1::2], strict=True):
            x_QCHW = block(x_QCHW, 1 + delta_QC, beta_QC)
        before_QCHW = self.before_pool(with_coordinates(x_QCHW))
        pooled_QC = F.max_pool2d(before_QCHW, before_QCHW.shape[2:]).flatten(1)
        logits_QA: Tensor = self.after_pool(pooled_QC)
        return logits_QA


class PlainLearner:
    """Adam 3e-4 with weight decay 1e-5 on the cross-entropy, in float32."""

    def __init__(self, model: PlainFiLM, device: torch.device) -> None:
        self.model, self.device = model.to(device), device
        self.optimizer = torch.optim.Adam(model.parameters(), lr=3e-4, weight_decay=1e-5)

    def update(self, batch: Batch) -> float:
        """One gradient step; the loss before it."""
        tokens_QT = F.pad(batch.tokens, (0, LONGEST - batch.tokens.shape[1]))
        images_QCHW = batch.images[batch.rows.to(batch.images.device)].to(self.device).float() / 255
        self.model.train()
        logits_QA = self.model(images_QCHW, tokens_QT.to(self.device))
        loss = F.cross_entropy(logits_QA, batch.answers.to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def with_coordinates(x_QCHW: Tensor) -> Tensor:
    """Append x and y of each cell, from -1 to 1, to the channels."""
    Q, _, H, W = x_QCHW.shape
    x_W, y_H = (torch.linspace(-1, 1, n, device=x_QCHW.device) for n in (W, H))
    x_Q1HW, y_Q1HW = x_W.expand(Q, 1, H, W), y_H[:, None].expand(Q, 1, H, W)
    return torch.cat([x_QCHW, x_Q1HW, y_Q1HW], dim=1)
