"""The question answerer is the paper's network, and sharing images changes nothing."""

from dataclasses import replace

import pytest
import torch

from tests.vqa.toy import ANSWERS, TOY, VOCABULARY, toy_split
from vqa.batches import batch_of
from vqa.config import PRESETS, paper
from vqa.model import QuestionAnswerer, lengths, to_input

TOKENS = torch.tensor([[1, 5, 6, 2, 0, 0], [1, 7, 8, 9, 3, 2], [1, 4, 2, 0, 0, 0]])


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize(
    ("options", "image", "total"),
    [
        ({"inputs": "features", "stem_layers": 1}, (1024, 14, 14), 59_495_752),
        ({}, (3, 224, 224), 59_107_528),
    ],
)
def test_the_papers_preset_has_the_papers_parameters(options, image, total):
    with torch.device("meta"):
        model = QuestionAnswerer(replace(paper(), **options), vocab_size=93, num_answers=32)
        assert model(torch.zeros(2, *image), torch.ones(2, 46, dtype=torch.long)).shape == (2, 32)
    assert parameters(model) == total
    assert parameters(model.network.encoder, model.network.generator) == 57_027_752


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"conditioning": "bias"},
        {"conditioning": "scale"},
        {"conditioning": "gate"},
        {"conditioning": "concat"},
        {"gamma_fn": "sigmoid"},
        {"gamma_fn": "tanh"},
        {"gamma_fn": "exp"},
        {"placement": "before_conv1"},
        {"placement": "after_conv2"},
        {"placement": "after_relu2"},
        {"placement": "after_residual"},
        {"film_blocks": (True, False)},
        {"generator": "mlp"},
        {"generator": "recurrent"},
        {"kernel_size": 1, "coords": False},
        {"residual": False},
        {"norm": "none"},
        {"blocks": 1},
        {"blocks": 5},
        {"inputs": "features", "feature_channels": 3},
    ],
    ids=str,
)
def test_every_row_of_the_papers_tables_learns_and_shares_images(options):
    model = QuestionAnswerer(replace(TOY, **options), vocab_size=10, num_answers=4)
    images, rows = torch.rand(2, 3, 16, 16), torch.tensor([1, 0, 1])
    model(images, TOKENS, rows).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    model.eval()
    shared = model(images, TOKENS, rows, lengths(TOKENS))
    torch.testing.assert_close(shared, model(images[rows], TOKENS))


def test_padding_never_reaches_the_gru():
    model = QuestionAnswerer(TOY, vocab_size=10, num_answers=4)
    model(torch.rand(3, 3, 16, 16), TOKENS, None, lengths(TOKENS)).square().sum().backward()
    gradient = model.network.encoder.embedding.weight.grad
    assert not gradient[0].any()
    assert gradient[TOKENS.unique()[1:]].any(dim=1).all()


def test_weights_start_from_kaimings_uniform_distribution():
    model = QuestionAnswerer(replace(TOY, sentence_dim=512), vocab_size=10, num_answers=4)
    for weight in (model.network.generator.linear.weight, model.network.blocks[0].conv2.weight):
        bound = (6 / weight[0].numel()) ** 0.5
        assert 0.9 * bound < weight.abs().max() <= bound


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_loss_is_the_cross_entropy_and_the_weighted_distance_from_the_identity(weight):
    model = QuestionAnswerer(replace(TOY, film_penalty=weight), VOCABULARY, len(ANSWERS)).eval()
    split = toy_split(5, seed=0)
    batch = batch_of(split.images, split.table, torch.tensor([0, 3, 4, 9]))
    images = to_input(batch.images, torch.device("cpu"))
    loss, logits = model.loss(images, batch)
    torch.testing.assert_close(logits, model(images, batch.tokens, batch.rows, batch.lengths))
    right = logits.log_softmax(dim=1)[range(4), batch.answers]
    squares = [
        ((gamma - 1) ** 2 + beta**2) for gamma, beta in model.condition(batch.tokens, batch.lengths)
    ]
    expected = -right.mean() + weight * torch.stack(squares).mean()
    torch.testing.assert_close(loss, expected)


def test_bytes_become_numbers_from_0_to_1():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    assert to_input(images, torch.device("cpu")).flatten().tolist() == pytest.approx([0, 0.2, 1])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_network(preset):
    with torch.device("meta"):
        QuestionAnswerer(PRESETS[preset](), vocab_size=93, num_answers=28)
