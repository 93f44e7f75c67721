"""A toy task that a small network learns in a second: what is the colour of this square?"""

import torch
from torch import nn

from film_rl.run import Team, seed_everything
from vqa.batches import question_table
from vqa.config import VQAConfig
from vqa.training import Split, make_learner, train

COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
NAMES = ("red", "green", "blue")
ANSWERS = ("no", "yes")
VOCABULARY = 6
TOY = VQAConfig(
    stem_channels=8,
    stem_layers=2,
    channels=8,
    blocks=2,
    word_dim=6,
    sentence_dim=10,
    classifier_channels=12,
    classifier_hidden=9,
    steps=150,
    batch_size=12,
    share=3,
    easy=0.2,
    learning_rate=1e-2,
    warmup=5,
    shift=1,
    log_every=10,
    eval_every=20,
    checkpoint_every=15,
    baseline_steps=30,
    device="cpu",
    threads=1,
    precision="float32",
)


def program(color: str) -> list[dict]:
    """Is there something of this colour?"""
    return [
        {"function": "scene", "inputs": [], "value_inputs": []},
        {"function": "filter_color", "inputs": [0], "value_inputs": [color]},
        {"function": "exist", "inputs": [1], "value_inputs": []},
    ]


def toy_split(images: int, seed: int) -> Split:
    """Noisy one-coloured images; question c of an image: is it of colour c?"""
    generator = torch.Generator().manual_seed(seed)
    color = torch.randint(0, 3, (images,), generator=generator)
    noise = torch.randint(0, 60, (images, 3, 8, 8), generator=generator)
    pixels = torch.tensor(COLORS)[color][:, :, None, None] * 3 // 4 + noise
    rows = [(i, c) for i in range(images) for c in range(3)]
    questions = [
        {"answer": ANSWERS[int(color[i]) == c], "program": program(NAMES[c])} for i, c in rows
    ]
    rows += [(i, 0) for i in range(images)]
    questions += [{**question, "easy": True} for question in questions[::3]]
    tokens = [[1, c + 3] + [1] * c + [2] for _, c in rows]
    return Split(pixels.byte(), question_table(questions, tokens, [i for i, _ in rows], ANSWERS))


def toy_learner(config, team=None):
    """A fresh learner; without its batch norms where the configuration has norm="none"."""
    seed_everything(config.seed)
    learner = make_learner(config, VOCABULARY, len(ANSWERS))
    learner.join(team or Team())
    if config.norm == "none":
        for module in list(learner.model.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                    setattr(module, name, nn.Identity())
    return learner


def train_toy(config, run, team=None):
    """Train it in a run folder; the learner and the seconds."""
    learner = toy_learner(config, team)
    return learner, train(config, toy_split(40, seed=0), toy_split(20, seed=1), learner, run)
