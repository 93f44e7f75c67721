"""What several systems are built of: the stem, the reader of the question, the classifier.

Shapes: B images, Q questions, T words, C channels, H height, W width, D state, E word, A answers.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from film_rl.language import PAD
from vqa.config import VQAConfig
from vqa.model import network_config

SIDE = 7  # cells a side that `FlatImage` pools to


def make_stem(config: VQAConfig) -> nn.Module:
    """The stem that FiLM has too: from the input to maps (B, stem_channels, H, W)."""
    return network_config(config, vocab_size=4).stem.build()


def of_question(x_B: Tensor, image_of_question_Q: Tensor | None) -> Tensor:
    """What each question's image has, from what each image has."""
    return x_B if image_of_question_Q is None else x_B.index_select(0, image_of_question_Q)


def cells(x_BCHW: Tensor) -> Tensor:
    """Maps as a list of cells, row after row: (B, H W, C)."""
    return x_BCHW.flatten(2).transpose(1, 2)


def mlp(*sizes: int) -> nn.Sequential:
    """Linear maps with a ReLU between each two."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.ReLU()] * bool(layers) + [nn.Linear(inputs, outputs)]
    return nn.Sequential(*layers)


class QuestionLSTM(nn.Module):
    """z = state of the last layer of an LSTM after the last word; later padding is never seen.

    Args:
        vocab_size: number of question tokens, padding included.
        word_dim: size of a word's embedding.
        dim: size of the state.
        layers: LSTMs on top of one another.
    """

    def __init__(self, vocab_size: int, word_dim: int, dim: int, layers: int = 1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, word_dim)
        self.lstm = nn.LSTM(word_dim, dim, layers, batch_first=True)

    def forward(self, tokens_QT: Tensor) -> Tensor:
        """Map questions (Q, T) to z (Q, D)."""
        # Not packed: on a CPU, PyTorch's LSTM is several times as fast over padding.
        states_QTD = self.lstm(self.embedding(tokens_QT))[0]
        return at_last_word(states_QTD, word_counts(tokens_QT))


class BothWays(nn.Module):
    """States of two recurrent networks, one of which reads the words backwards, side by side.

    Args:
        kind: nn.LSTM or nn.GRU.
        inputs: size of a word.
        dim: size of both states together.

    Raises:
        ValueError: the size is odd.
    """

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], inputs: int, dim: int) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"sentence_dim={dim} is odd; two directions share it: give {dim + 1}")
        self.forwards = kind(inputs, dim // 2, batch_first=True)
        self.backwards = kind(inputs, dim // 2, batch_first=True)

    def forward(self, words_QTE: Tensor, length_Q1: Tensor) -> tuple[Tensor, Tensor]:
        """Each word's states (Q, T, D), and the two last states of each question (Q, D)."""
        there_QTD = self.forwards(words_QTE)[0]
        # The words of each question in reverse, its padding left in place. Twice undoes it.
        step_T = torch.arange(words_QTE.shape[1], device=words_QTE.device)
        reverse_QT = torch.where(step_T < length_Q1, length_Q1 - 1 - step_T, step_T)
        back_QTD = self.backwards(_reordered(words_QTE, reverse_QT))[0]
        ends = [at_last_word(states_QTD, length_Q1) for states_QTD in (there_QTD, back_QTD)]
        states_QTD = torch.cat([there_QTD, _reordered(back_QTD, reverse_QT)], dim=2)
        return states_QTD, torch.cat(ends, dim=1)


def word_counts(tokens_QT: Tensor) -> Tensor:
    """How many words each question has, (Q, 1), on the tokens' device; at least 1."""
    return (tokens_QT != PAD).sum(dim=1, keepdim=True).clamp(min=1)


def at_last_word(states_QTD: Tensor, length_Q1: Tensor) -> Tensor:
    """The state (Q, D) at each question's last word."""
    return _reordered(states_QTD, length_Q1 - 1)[:, 0]


def attention(scores_QT: Tensor, tokens_QT: Tensor) -> Tensor:
    """softmax over the words of each question; padding gets 0."""
    return scores_QT.float().masked_fill(tokens_QT == PAD, -1e9).softmax(dim=1)


def _reordered(x_QTD: Tensor, index_QN: Tensor) -> Tensor:
    return x_QTD.gather(1, index_QN[:, :, None].expand(-1, -1, x_QTD.shape[2]))


class FlatImage(nn.Module):
    """1x1 convolution, ReLU, max-pooling to 7x7 cells, all of them as one vector.

    14x14 cells are pooled by twos, as in the code of Johnson et al. 2017, "Inferring and Executing
    Programs"; other sizes as near to it as they allow.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 1)
        self.features = channels * SIDE * SIDE

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, features)."""
        return F.adaptive_max_pool2d(self.conv(x_BCHW).relu(), SIDE).flatten(1)
