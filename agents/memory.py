"""A recurrent memory over segments of many worlds side by side: the one loop over time.

    gru:   r, z = sigmoid(i_r + W_r h), sigmoid(i_z + W_z h);  n = tanh(i_n + r * W_n h)
           h' = (1 - z) * n + z * h
    lstm:  i, f, o = sigmoid(...), g = tanh(...), each i + W h;  c' = f * c + i * g
           h' = o * tanh(c')

where i is linear in what is seen: `torch.nn.GRUCell` (Cho et al. 2014) and `torch.nn.LSTMCell`
(Hochreiter and Schmidhuber 1997), with their weights.

Shapes: T steps, B worlds, D size of what is seen, H of what comes out, S of the state (H for a
GRU, 2 H for an LSTM: h and c side by side), G = 3 H or 4 H of the gates.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from film_rl.errors import check_choice

CELLS = {"gru": nn.GRUCell, "lstm": nn.LSTMCell}


class Memory(nn.Module):
    """out_t, state_t = cell(x_t, state_t-1), where an episode's first step starts from zeros.

    Under autocast the matrix products round; the state does not: it adds up over many steps.

    Args:
        kind: gru or lstm.
        input_dim: D.
        dim: H.

    Attributes:
        state_dim: S.

    Raises:
        ValueError: no memory has this name.
    """

    def __init__(self, kind: Literal["gru", "lstm"], input_dim: int, dim: int):
        check_choice("memory", kind, tuple(CELLS))
        super().__init__()
        self.dim = dim
        self.cell = CELLS[kind](input_dim, dim)
        self.state_dim = dim if kind == "gru" else 2 * dim

    def forward(self, x_TBD: Tensor, state_BS: Tensor, start_TB: Tensor) -> tuple[Tensor, Tensor]:
        """Remember T steps.

        Args:
            x_TBD: what is seen.
            state_BS: float32, from before the first of the steps.
            start_TB: bool, whether a step is an episode's first; nothing from before reaches it.

        Returns:
            What comes out at each step (T, B, H), and the state (B, S) after the last.
        """
        seen_TBG = F.linear(x_TBD, self.cell.weight_ih, self.cell.bias_ih)  # of all steps at once
        goes_on_TB1 = (~start_TB)[:, :, None].to(state_BS.dtype)
        step = self._gru if isinstance(self.cell, nn.GRUCell) else self._lstm
        out = []
        for seen_BG, goes_on_B1 in zip(seen_TBG, goes_on_TB1, strict=True):
            state_BS = step(seen_BG, state_BS * goes_on_B1)
            out.append(state_BS[:, : self.dim])
        return torch.stack(out), state_BS

    def _gru(self, seen_BG: Tensor, h_BH: Tensor) -> Tensor:
        gates_and_new = [2 * self.dim, self.dim]
        hidden_BG = F.linear(h_BH, self.cell.weight_hh, self.cell.bias_hh)
        hidden, hidden_n = hidden_BG.split(gates_and_new, dim=1)
        seen, seen_n = seen_BG.split(gates_and_new, dim=1)
        r_BH, z_BH = (seen + hidden).sigmoid().chunk(2, dim=1)
        n_BH = torch.tanh(seen_n + r_BH * hidden_n)
        return n_BH + z_BH * (h_BH - n_BH)

    def _lstm(self, seen_BG: Tensor, state_BS: Tensor) -> Tensor:
        h_BH, c_BH = state_BS.chunk(2, dim=1)
        gates_BG = seen_BG + F.linear(h_BH, self.cell.weight_hh, self.cell.bias_hh)
        i_BH, f_BH, g_BH, o_BH = gates_BG.chunk(4, dim=1)
        c_BH = f_BH.sigmoid() * c_BH + i_BH.sigmoid() * g_BH.tanh()
        return torch.cat([o_BH.sigmoid() * c_BH.tanh(), c_BH], dim=1)
