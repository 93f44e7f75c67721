"""The GRU of packed words is PyTorch's, word by word, and padding has no part in it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from vqa.gru import last_states

WIDTH = 3


def made(length_Q: list[int], dtype: torch.dtype, size: int = 5) -> tuple[nn.GRU, torch.Tensor]:
    """A GRU and words, the same for the same arguments; padding is huge."""
    torch.manual_seed(len(length_Q))
    gru = nn.GRU(WIDTH, size, batch_first=True, dtype=dtype)
    words_QTE = torch.full((len(length_Q), max(length_Q), WIDTH), 1e6, dtype=dtype)
    for row, length in zip(words_QTE, length_Q, strict=True):
        row[:length] = torch.randn(length, WIDTH, dtype=dtype)
    return gru, words_QTE.requires_grad_()


def packed(words_QTE: torch.Tensor, length_Q: list[int]) -> PackedSequence:
    return pack_padded_sequence(words_QTE, length_Q, batch_first=True, enforce_sorted=False)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_each_question_is_read_as_if_it_were_alone(length_Q):
    gru, words_QTE = made(length_Q, torch.float64)
    rows = zip(words_QTE, length_Q, strict=True)
    alone_QD = torch.cat([gru(row[None, :length])[1][0] for row, length in rows])
    states_QD = last_states(gru, packed(words_QTE, length_Q))
    torch.testing.assert_close(states_QD, alone_QD)

    weight_QD = torch.linspace(-1, 2, states_QD.numel(), dtype=torch.float64).view_as(states_QD)
    inputs = [*gru.parameters(), words_QTE]
    expected = torch.autograd.grad((alone_QD * weight_QD).sum(), inputs)
    gradients = torch.autograd.grad((states_QD * weight_QD).sum(), inputs)
    torch.testing.assert_close(gradients, expected)
    for row, length in zip(gradients[-1], length_Q, strict=True):
        assert not row[length:].any()


def test_its_gradients_are_those_of_finite_differences():
    length_Q = [4, 1, 3]
    gru, words_QTE = made(length_Q, torch.float64)

    def states(words_QTE, *_):
        return last_states(gru, packed(words_QTE, length_Q))

    assert torch.autograd.gradcheck(states, (words_QTE, *gru.parameters()))


def test_in_bf16_it_is_as_near_to_float32_as_pytorchs():
    length_Q = [5, 20, 12, 20, 33, 7, 1, 18]
    gru, words_QTE = made(length_Q, torch.float32, size=64)

    def gradients(read, enabled: bool) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            states_QD = read(packed(words_QTE, length_Q))
        parts = torch.autograd.grad(states_QD.float().square().sum(), gru.parameters())
        return torch.cat([states_QD.float().flatten(), *(part.flatten() for part in parts)])

    def pytorchs(words: PackedSequence) -> torch.Tensor:
        return gru(words)[1][-1]

    def ours(words: PackedSequence) -> torch.Tensor:
        return last_states(gru, words)

    exact = gradients(pytorchs, enabled=False)
    torch.testing.assert_close(gradients(ours, enabled=False), exact)
    off = [(gradients(read, enabled=True) - exact).norm() for read in (ours, pytorchs)]
    assert off[0] < 1.05 * off[1]
    assert off[1] < 0.02 * exact.norm()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_reads_the_same_where_nothing_is_learned(mode):
    gru, words_QTE = made([3, 6, 2], torch.float32)
    expected = last_states(gru, packed(words_QTE, [3, 6, 2]))
    with mode():
        assert torch.equal(last_states(gru, packed(words_QTE, [3, 6, 2])), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_reads_the_same():
    gru, words_QTE = made([3, 6, 2], torch.float32)
    expected = last_states(gru, packed(words_QTE, [3, 6, 2]))
    on_gpu = last_states(gru.cuda(), packed(words_QTE.cuda(), [3, 6, 2]))
    torch.testing.assert_close(on_gpu.cpu(), expected, rtol=1e-3, atol=1e-4)
