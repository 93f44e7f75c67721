"""The question-only baseline: what can be answered without looking.

Shapes: Q questions, T words, A answers.
"""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from film_rl.run import choose_device, seed_everything
from vqa.batches import ALL, QuestionTable, batch_of
from vqa.config import VQAConfig
from vqa.learner import Learner, learning_rate
from vqa.model import lengths

SORTED = 10  # batches of questions that are sorted by length together


class QuestionOnly(nn.Module):
    """logits = MLP(last state of an LSTM over the words): "LSTM" in the FiLM paper's table 1.

    Args:
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
        word_dim: size of a word's embedding.
        hidden_dim: size of the LSTM's state and of the hidden layer.
    """

    def __init__(
        self, vocab_size: int, num_answers: int, word_dim: int = 64, hidden_dim: int = 128
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, word_dim)
        self.lstm = nn.LSTM(word_dim, hidden_dim, batch_first=True)
        self.classifier = nn.Sequential(
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, num_answers)
        )

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Map questions (Q, T) to logits (Q, A). It is called like the model; images are unread."""
        length_Q = lengths(tokens_QT) if length_Q is None else length_Q
        # Not packed: on a CPU, PyTorch's LSTM is several times as fast over padding.
        states_QTD = self.lstm(self.embedding(tokens_QT))[0]
        z_QD = states_QTD[torch.arange(len(length_Q)), length_Q - 1]
        logits_QA: Tensor = self.classifier(z_QD)
        return logits_QA


def train_baseline(
    config: VQAConfig, questions: QuestionTable, vocab_size: int, num_answers: int
) -> Learner:
    """Train the question-only LSTM, without curriculum, for `config.baseline_steps`."""
    seed_everything(config.seed)
    model = QuestionOnly(vocab_size, num_answers)
    device = choose_device(config.device)
    learner = Learner(model, device, torch.float32, config.weight_decay, clip=5.0)
    no_images = torch.zeros(int(questions.images.max()) + 1, 3, 0, 0, dtype=torch.uint8)
    steps = config.baseline_steps
    rows = alike(questions, config.batch_size, config.seed)
    for step, index_Q in enumerate(islice(rows, steps)):
        rate = learning_rate(step, steps, peak=2e-3, warmup=50, fall=0.5)
        learner.update(batch_of(no_images, questions, index_Q), rate)
    return learner


def alike(questions: QuestionTable, size: int, seed: int) -> Iterator[Tensor]:
    """Endless batches of rows, in each questions of about one length: so there is little padding.

    An epoch takes every question of the stage ALL once, in random order.
    """
    generator = torch.Generator().manual_seed(seed)
    every = torch.nonzero(questions.stage == ALL)[:, 0]
    while True:
        shuffled = every[torch.randperm(len(every), generator=generator)]
        for some in shuffled.split(SORTED * size):
            batches = some[questions.lengths[some].argsort(stable=True)].split(size)
            for number in torch.randperm(len(batches), generator=generator).tolist():
                yield batches[number]
