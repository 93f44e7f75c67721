"""Where an agent goes and looks, as tables over its poses.

Every grid is padded with walls to W x H cells, numbered x + W * y; cell C = W * H stands for all
that lies outside, and is a wall. A pose is 4 * cell + direction (0 right, 1 down, 2 left, 3 up).
"""

from typing import NamedTuple

import torch
from torch import Tensor

VIEW = 7  # cells along a side of the agent's view
STEPS = torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]])


class Geometry(NamedTuple):
    """The tables of a grid of C cells.

    Attributes:
        moves: int32 (4C + 4, 7), the pose after each action, as if nothing stood in the way.
        front: int64 (4C + 4,), the cell that the agent faces.
        beside: int64 (C + 1, 4), the neighbours of a cell.
        seen: int64 (4C + 4, 49), the cells of the view, row by row from the farthest.
    """

    moves: Tensor
    front: Tensor
    beside: Tensor
    seen: Tensor

    def to(self, device: torch.device) -> "Geometry":
        """The tables on a device."""
        return Geometry(*(table.to(device) for table in self))


def geometry(width: int, height: int) -> Geometry:
    """The tables of all grids of this size or, padded, smaller."""
    count = width * height
    cell_P = torch.arange(4 * count + 4) // 4
    turn_P = torch.arange(4 * count + 4) % 4

    def at(x: Tensor, y: Tensor, origin: Tensor) -> Tensor:
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (origin < count)
        return torch.where(inside, x + width * y, count)

    x_P, y_P = cell_P % width, cell_P // width
    ahead_P2 = STEPS[turn_P]
    right_P2 = STEPS[(turn_P + 1) % 4]
    front_P = at(x_P + ahead_P2[:, 0], y_P + ahead_P2[:, 1], cell_P)
    stay_P = torch.arange(4 * count + 4)
    left, right = 4 * cell_P + (turn_P + 3) % 4, 4 * cell_P + (turn_P + 1) % 4
    moves = torch.stack([left, right, 4 * front_P + turn_P, *[stay_P] * 4], dim=1)

    # Column i and row j of the view: the agent is at (3, 6) and looks towards row 0.
    j, i = torch.meshgrid(torch.arange(VIEW), torch.arange(VIEW), indexing="ij")
    far_V, aside_V = VIEW - 1 - j.flatten(), i.flatten() - VIEW // 2
    seen_x = x_P[:, None] + ahead_P2[:, :1] * far_V + right_P2[:, :1] * aside_V
    seen_y = y_P[:, None] + ahead_P2[:, 1:] * far_V + right_P2[:, 1:] * aside_V
    seen = at(seen_x, seen_y, cell_P[:, None])
    return Geometry(moves.to(torch.int32), front_P, front_P.view(-1, 4).clone(), seen)
