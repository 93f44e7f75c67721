"""The agent's view: 7x7 cells gathered, then hidden where something opaque is in the way.

N worlds, C cells, V = 49 cells of the view, row by row from the farthest; a row of the view is
7 bits, bit i its column i.
"""

from functools import lru_cache

import torch
from torch import Tensor

from envs.batched.cells import OPAQUE, SEEN
from envs.batched.geometry import VIEW, Geometry

OWN = VIEW * VIEW - 1 - VIEW // 2  # the agent's cell in the view
FRONT = OWN - VIEW
FULL = 1 << VIEW


def glance(cells_NC: Tensor, pose_N: Tensor, tables: Geometry) -> Tensor:
    """The cells of the view (N, V), the hidden too."""
    return cells_NC.gather(1, tables.seen.index_select(0, pose_N))


class Eye:
    """Occlusion on a device, by looking rows up in tables."""

    def __init__(self, device: torch.device):
        rows, masks, weights = _tables()
        self.rows, self.masks = rows.to(device), masks.to(device)
        self.weights = weights.to(device)

    def see(self, glanced_NV: Tensor, carry_N: Tensor) -> Tensor:
        """The view as int32 (N, V): bytes kind, colour, state and 0 of each cell.

        minigrid's rule (Grid.process_vis): from the agent's row up, light spreads sideways from lit
        cells that are not opaque, and from each of them to the three cells above it.
        """
        opaque_VN = (glanced_NV & OPAQUE).to(torch.float32).t()
        clear_RN = (FULL - 1) - (self.weights @ opaque_VN).to(torch.int32)
        lit_N = torch.full_like(carry_N, FULL << VIEW // 2)
        visible = []
        for row in reversed(range(VIEW)):
            lit_N = self.rows.index_select(0, lit_N & -FULL | clear_RN[row])
            visible.append(lit_N)
        visible_NR = torch.stack(visible[::-1], dim=1) & (FULL - 1)
        mask_NV = self.masks.index_select(0, visible_NR.view(-1)).view(-1, VIEW * VIEW)
        view_NV = glanced_NV & mask_NV
        view_NV[:, OWN] = carry_N & SEEN  # of an empty hand: an empty cell
        return view_NV


def as_image(view_NV: Tensor) -> Tensor:
    """The view as minigrid lays it out: uint8 (N, 7, 7, 3), [x, y, (kind, colour, state)].

    The image shares the view's memory, where each cell has four bytes: it is not contiguous.
    """
    bytes_NRR4 = view_NV.view(torch.uint8).view(-1, VIEW, VIEW, 4)
    return bytes_NRR4[..., :3].transpose(1, 2)


@lru_cache(maxsize=1)
def _tables() -> tuple[Tensor, Tensor, Tensor]:
    """Light's way through a row, a row's bits as masks of cells, and the sums that make bits.

    The first is int32 (128 * 128,): at 128 * (lit from below) + (clear), the row's visible cells
    + 128 * (what it lights above). The second is int32 (128, 7): SEEN where the bit is set. The
    third, float32 (7, 49), makes each row's bits of a view's flags.
    """
    lit, clear = torch.arange(FULL)[:, None], torch.arange(FULL)[None, :]
    for _ in range(VIEW):
        source = lit & clear
        lit = (lit | source << 1 | source >> 1) & (FULL - 1)
    source = lit & clear
    above = (source | source << 1 | source >> 1) & (FULL - 1)
    bits_7 = torch.arange(VIEW)
    masks = (torch.arange(FULL)[:, None] >> bits_7 & 1) * SEEN
    weights = torch.zeros(VIEW, VIEW, VIEW)
    for row in range(VIEW):
        weights[row, row] = 2.0**bits_7 / OPAQUE
    return (
        (lit | above << VIEW).flatten().to(torch.int32),
        masks.to(torch.int32),
        weights.view(VIEW, VIEW * VIEW),
    )
