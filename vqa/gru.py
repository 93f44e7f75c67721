"""A GRU over packed words, up to each question's last one: cuDNN's on a GPU, our own on a CPU.

    r, z = sigmoid(i_r + W_r h + b_r), sigmoid(i_z + W_z h + b_z)
    n = tanh(i_n + r * (W_n h + b_n)),  h' = (1 - z) * n + z * h

where i is linear in the word: `torch.nn.GRU`, with its weights. PyTorch's own on a CPU computes the
gradient of W step by step, in one large matrix a word, and sums those (in bf16 where that is the
precision); here it is one product over all words.

Shapes: Q questions, longest first; R of them that have a word t; N all words; D state, E size of
a word.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence


def last_states(gru: nn.GRU, words: PackedSequence) -> Tensor:
    """Read each question's words; its state after the last one, (Q, D).

    Args:
        gru: of one layer and one direction.
        words: embedded words.
    """
    if words.data.is_cuda:
        state_QD: Tensor = gru(words)[1][-1]
        return state_QD
    # The order of torch.nn.GRU: the matrices of the input and of the state, then their biases.
    input_3DE, weight_3DD, input_bias_3D, bias_3D = gru.parameters()
    input_N3D = F.linear(words.data, input_3DE, input_bias_3D)
    rows = words.batch_sizes.tolist()
    state_QD = _Recurrence.apply(input_N3D, weight_3DD, bias_3D, rows)
    return state_QD if words.unsorted_indices is None else state_QD[words.unsorted_indices]


class _Recurrence(torch.autograd.Function):
    """The last states from each word's i. Products have i's precision, all else the weight's."""

    @staticmethod
    def forward(
        ctx: Any, input_N3D: Tensor, weight_3DD: Tensor, bias_3D: Tensor, rows: list[int]
    ) -> Tensor:
        dtype, D = input_N3D.dtype, weight_3DD.shape[1]
        state_QD = weight_3DD.new_zeros(rows[0], D)
        weight_3DD, bias_3D = weight_3DD.to(dtype), bias_3D.to(dtype)
        steps = []
        for R, input_R3D in zip(rows, input_N3D.split(rows), strict=True):
            before_RD = state_QD[:R].to(dtype, copy=True)
            hidden_R3D = torch.addmm(bias_3D, before_RD, weight_3DD.t())
            gates = (input_R3D[:, : 2 * D] + hidden_R3D[:, : 2 * D]).sigmoid_().chunk(2, dim=1)
            r_RD, z_RD = (gate.to(state_QD.dtype) for gate in gates)
            hidden_RD = hidden_R3D[:, 2 * D :]
            n_RD = torch.tanh(input_R3D[:, 2 * D :] + r_RD * hidden_RD)
            # A question that has ended keeps its state: only the first R go on.
            state_QD[:R] = torch.lerp(n_RD, state_QD[:R], z_RD)
            if ctx.needs_input_grad[0]:  # not where nothing is to be learned: it is much memory
                steps.append((before_RD, r_RD, z_RD, n_RD, hidden_RD))
        ctx.steps, ctx.rows, ctx.weight_3DD = steps, rows, weight_3DD
        return state_QD

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        weight_3DD, D = ctx.weight_3DD, grads[0].shape[1]
        d_state_QD = grads[0].clone()
        # As linear maps W h and i are: they differ in n's third, where r weighs W h.
        d_input_N3D = weight_3DD.new_empty(sum(ctx.rows), 3 * D)
        d_hidden_N3D = torch.empty_like(d_input_N3D)
        parts = zip(
            ctx.steps, d_input_N3D.split(ctx.rows), d_hidden_N3D.split(ctx.rows), strict=True
        )
        for (before_RD, r_RD, z_RD, n_RD, hidden_RD), d_input_R3D, d_hidden_R3D in [*parts][::-1]:
            d_RD = d_state_QD[: len(r_RD)]
            d_n_RD = d_RD * (1 - z_RD) * (1 - n_RD * n_RD)
            d_input_R3D[:, :D] = d_n_RD * hidden_RD * r_RD * (1 - r_RD)
            d_input_R3D[:, D : 2 * D] = d_RD * (before_RD - n_RD) * z_RD * (1 - z_RD)
            d_input_R3D[:, 2 * D :] = d_n_RD
            d_hidden_R3D[:, : 2 * D] = d_input_R3D[:, : 2 * D]
            d_hidden_R3D[:, 2 * D :] = d_n_RD * r_RD
            d_RD.mul_(z_RD).add_(d_hidden_R3D @ weight_3DD)
        before_ND = torch.cat([before_RD for before_RD, *_ in ctx.steps])
        d_weight_3DD = (d_hidden_N3D.t() @ before_ND).to(d_state_QD.dtype)
        return d_input_N3D, d_weight_3DD, d_hidden_N3D.sum(dim=0, dtype=d_state_QD.dtype), None
