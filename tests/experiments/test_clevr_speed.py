"""The plain port that clevr_speed.py compares with is our network; the comparison is a fair one."""

import json
import sys
from dataclasses import replace

import pytest
import torch

from tests.experiments.helpers import EXPERIMENTS, refused, script
from tests.vqa.toy import TOY
from vqa.batches import batch_of
from vqa.model import QuestionAnswerer, lengths
from vqa.training import make_learner

sys.path.insert(0, str(EXPERIMENTS))
from clevr_speed import Options, compared, contestants, made_split, write
from plain_film import PlainFiLM, PlainLearner

SMALL = replace(TOY, share=1, easy=0.0, shift=0, clip=0.0)


def same_weights(plain: PlainFiLM, ours: QuestionAnswerer) -> None:
    """Give the plain network the weights of ours."""
    network, classifier = ours.network, ours.classifier
    pairs = [
        (plain.embedding, network.encoder.embedding),
        (plain.gru, network.encoder.gru),
        (plain.generator, network.generator.linear),
        (plain.stem, network.stem.layers),
        (plain.before_pool[0], classifier.conv),
        (plain.before_pool[1], classifier.conv_norm),
        (plain.after_pool[0], classifier.hidden),
        (plain.after_pool[1], classifier.hidden_norm),
        (plain.after_pool[3], classifier.answers),
    ]
    for plain_block, block in zip(plain.blocks, network.blocks, strict=True):
        pairs += [(getattr(plain_block, n), getattr(block, n)) for n in ("conv1", "conv2", "norm")]
    for target, source in pairs:
        target.load_state_dict(source.state_dict())
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in ours.parameters())


@pytest.fixture(scope="module")
def split():
    return made_split(8, 16)


def test_with_equal_weights_it_answers_alike():
    ours = QuestionAnswerer(SMALL, vocab_size=10, num_answers=4)
    plain = PlainFiLM(SMALL, vocab_size=10, num_answers=4)
    tokens = torch.tensor([[1, 5, 6, 2, 0, 0], [1, 7, 8, 9, 3, 2], [1, 4, 2, 0, 0, 0]])
    images, rows = torch.rand(2, 3, 16, 16), torch.tensor([1, 0, 1])
    ours(images, tokens, rows)  # moves the running means
    same_weights(plain, ours)
    expected = ours.eval()(images, tokens, rows, lengths(tokens))
    logits = plain.eval()(images[rows], torch.nn.functional.pad(tokens, (0, 40)))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_with_equal_weights_it_learns_alike(split):
    # Batch statistics weigh an image once a question, or once: equal where no image is shared.
    images = split.table.images.tolist()
    batch = batch_of(split.images, split.table, torch.tensor([images.index(i) for i in range(4)]))
    vocab_size = int(split.table.tokens.max()) + 1
    learner = make_learner(replace(SMALL, weight_decay=1e-5), vocab_size, 28)
    plain = PlainLearner(PlainFiLM(SMALL, vocab_size, 28), torch.device("cpu"))
    same_weights(plain.model, learner.model)
    assert plain.update(batch) == pytest.approx(learner.update(batch, 3e-4)[0], rel=1e-4)
    after = [
        torch.nn.utils.parameters_to_vector(one.embedding.parameters())
        for one in (plain.model, learner.model.network.encoder)
    ]
    torch.testing.assert_close(*after, rtol=1e-3, atol=1e-4)


def test_all_take_turns_with_their_own_batches(split):
    fast = replace(SMALL, share=10, batch_size=40, precision="bf16")
    trainers = contestants(SMALL, fast, split, torch.device("cpu"))
    figures = compared(trainers, repeats=2, steps=1)
    sizes = {name: row["questions a batch"] for name, row in figures.items()}
    assert sizes == {"original": 12, "paper": 12, "fast": 40}
    assert figures["original"]["times the original"] == 1
    for row in figures.values():
        assert row["seconds an epoch"] == pytest.approx(700_000 / row["samples a second"], rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--repeats", "0"), ("--repeats 0",)),
        (("--questions", "3"), ("--questions 3", "10 or more")),
        (("--device", "cuda:99"), ("cuda:99",)),
    ],
)
def test_a_mistake_gets_a_message_and_status_2(arguments, words, tmp_path):
    refused(script("clevr_speed", *arguments, cwd=tmp_path), *words)


def test_the_row_of_the_other_device_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("clevr_speed.RESULT", tmp_path / "rows.json")
    figures = {"fast": {"times the original": 3.0}}
    write(True, Options(), figures, "a GPU")
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["measured"] for row in rows] == [False, True]
    write(False, Options(repeats=5), {"fast": {"times the original": 4.0}}, "a CPU")
    cpu, gpu = json.loads((tmp_path / "rows.json").read_text())
    assert gpu == rows[1]
    assert cpu["command"].endswith("clevr_speed.py --repeats 5")
    assert (cpu["hardware"], cpu["figures"]["fast"]) == ("a CPU", {"times the original": 4.0})
