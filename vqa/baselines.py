"""The question-only baseline trained beside each network: what can be answered without looking."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from film_rl.run import choose_device, seed_everything
from vqa.batches import ALL, QuestionTable, batch_of
from vqa.config import VQAConfig
from vqa.learner import Learner, learning_rate
from vqa.systems.lstm import QuestionOnly

SORTED = 10  # batches of questions that are sorted by length together


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
