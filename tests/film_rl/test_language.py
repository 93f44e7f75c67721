"""Sentences: the vocabulary and the encoder."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_rl import SentenceEncoder, Vocabulary
from tests.film_rl import reference
from tests.film_rl.helpers import as_arrays

truth = settings(derandomize=True, deadline=None, max_examples=30)
WORDS = ("go", "to", "the", "red", "ball", "box")
OPTIONS = [(b, a) for b in (False, True) for a in (False, True)]
every_encoder = pytest.mark.parametrize(("bidirectional", "attention"), OPTIONS)


def encoder_of(bidirectional, attention):
    return SentenceEncoder(9, 5, 6, bidirectional=bidirectional, attention=attention).double()


def padded(sentences, length=None):
    length = length or max(map(len, sentences))
    return torch.tensor([[*ids, *[0] * (length - len(ids))] for ids in sentences])


@truth
@given(st.lists(st.sampled_from(WORDS), max_size=8), st.integers(0, 3))
def test_decoding_undoes_encoding(words, padding):
    vocabulary, sentence = Vocabulary(WORDS), " ".join(words)
    ids = vocabulary.encode(sentence, length=len(words) + padding)
    assert len(ids) == len(words) + padding
    assert ids == vocabulary.encode(sentence) + [0] * padding
    assert vocabulary.decode(ids) == vocabulary.decode(torch.tensor(ids)) == sentence


def test_zero_is_padding_and_the_words_follow_in_their_order():
    vocabulary = Vocabulary(iter(WORDS))
    assert vocabulary.encode("go to the red ball box") == [1, 2, 3, 4, 5, 6]
    assert vocabulary.words == WORDS
    assert len(vocabulary) == 7
    assert "red" in vocabulary
    assert "blue" not in vocabulary


def test_a_sentence_is_split_into_runs_of_letters_in_lower_case():
    assert Vocabulary(WORDS).encode("Go to the RED ball,") == [1, 2, 3, 4, 5]


def test_another_way_to_split_may_be_given():
    questions = Vocabulary(["Are", "there", "?"], tokenize=lambda s: s.replace("?", " ?").split())
    assert questions.encode("Are there?") == [1, 2, 3]


def test_sentences_and_words_that_do_not_fit_are_refused():
    vocabulary = Vocabulary(WORDS)
    with pytest.raises(
        ValueError,
        match="'bal' in 'go to the bal' is not among the 6 known words; the closest is 'ball'",
    ):
        vocabulary.encode("go to the bal")
    with pytest.raises(
        ValueError, match="'go to the ball' has 4 words and length=3; expected length=4"
    ):
        vocabulary.encode("go to the ball", length=3)
    with pytest.raises(ValueError, match=r"more than once: \['red'\]"):
        Vocabulary(["red", "ball", "red"])
    for ids in ([1, 7], [-1]):
        with pytest.raises(ValueError, match=r"expected 0 \(padding\) to 6"):
            vocabulary.decode(ids)


@every_encoder
@truth
@given(
    sentences=st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=7), min_size=1, max_size=5),
    padding=st.integers(0, 4),
)
def test_every_row_is_its_sentence_alone_whatever_the_padding_and_the_other_rows(
    bidirectional, attention, sentences, padding
):
    encoder = encoder_of(bidirectional, attention)
    weights = as_arrays(encoder)
    z = encoder(padded(sentences, max(map(len, sentences)) + padding)).detach().numpy()
    assert z.shape == (len(sentences), encoder.output_dim)
    for row, sentence in zip(z, sentences, strict=True):
        np.testing.assert_allclose(row, reference.encode(weights, sentence), atol=1e-10)


@every_encoder
def test_padding_and_other_rows_change_a_float32_encoding_by_less_than_a_millionth(
    bidirectional, attention
):
    encoder = encoder_of(bidirectional, attention).float()
    alone = encoder(padded([[3, 1, 4]]))
    among_others = encoder(padded([[1], [3, 1, 4], [5, 6, 5, 3, 5, 8]], length=11))[1:2]
    torch.testing.assert_close(among_others, alone, atol=1e-6, rtol=0)


@every_encoder
def test_the_order_of_the_words_matters(bidirectional, attention):
    z = encoder_of(bidirectional, attention)(padded([[1, 2, 3], [3, 2, 1], [2, 1, 3]]))
    assert torch.pdist(z).min() > 1e-3


@every_encoder
def test_an_empty_sentence_is_zero_and_its_gradients_are_finite(bidirectional, attention):
    encoder = encoder_of(bidirectional, attention)
    z = encoder(padded([[], [1, 2]]))
    z.square().sum().backward()
    assert torch.equal(z[0], torch.zeros_like(z[0]))
    assert z[1].abs().max() > 0
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


@every_encoder
def test_every_parameter_learns(bidirectional, attention):
    encoder = encoder_of(bidirectional, attention)
    encoder(padded([[1, 2, 3], [4, 5]])).pow(3).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in encoder.parameters())


@every_encoder
def test_the_encoder_leaves_the_tokens_as_they_are(bidirectional, attention):
    tokens = padded([[1, 2, 3], [4, 5]])
    before = tokens.clone()
    encoder_of(bidirectional, attention)(tokens)
    assert torch.equal(tokens, before)


def test_two_directions_need_an_even_size():
    with pytest.raises(ValueError, match=r"hidden_dim=7 is odd.*give 8"):
        SentenceEncoder(9, 5, 7, bidirectional=True)


def test_the_papers_encoder_has_the_papers_parameters():
    with torch.device("meta"):
        encoder = SentenceEncoder(93, 200, 4096)
    assert encoder.embedding.weight.numel() == 18_600
    assert sum(p.numel() for p in encoder.gru.parameters()) == 52_813_824
    assert sum(p.numel() for p in encoder.parameters()) == 18_600 + 52_813_824
