"""What an action does to the cell in front and to the hand: minigrid's step, without branches.

N worlds, K contents of boxes. Cells and hands are int32, see `envs.batched.cells`.
"""

import torch
from minigrid.core.actions import Actions
from torch import Tensor

from envs.batched.cells import (
    BOX,
    CLOSED,
    COLOR,
    CONTENTS_SHIFT,
    DOOR,
    EMPTY,
    KEY,
    KIND,
    LOCKED,
    MAX_CONTENTS,
    OPAQUE,
    PICKABLE,
    STATE,
    WALKABLE,
)


def swaps(action_N: Tensor, front_N: Tensor, hand_N: Tensor) -> Tensor:
    """Where hand and front cell change places: a pickup, or a drop (which may drop nothing)."""
    pickup_N = (action_N == Actions.pickup) & (front_N & PICKABLE != 0) & (hand_N == EMPTY)
    return pickup_N | ((action_N == Actions.drop) & (front_N == EMPTY))


def toggled(front_N: Tensor, hand_N: Tensor, contents_NK: Tensor | None, doors: bool) -> Tensor:
    """The front cell after a toggle.

    A door opens or closes, if locked only with a key of its colour in the hand; a box gives way to
    what it holds.

    Args:
        front_N: the cell before.
        hand_N: what is carried, or EMPTY.
        contents_NK: the cells that boxes turn into; None if all boxes are empty.
        doors: whether there are doors at all.
    """
    kind_N = front_N & KIND
    if contents_NK is None:
        inside_N = torch.full_like(front_N, EMPTY)
    else:
        index_N = (front_N >> CONTENTS_SHIFT) & MAX_CONTENTS
        inside_N = contents_NK.gather(1, index_N.long()[:, None])[:, 0]
    after_N = torch.where(kind_N == BOX, inside_N, front_N)
    if not doors:
        return after_N
    fits_N = hand_N & (KIND | COLOR) == front_N & COLOR | KEY
    unlocked_N = front_N & ~(STATE | OPAQUE | LOCKED) | WALKABLE
    locked_after_N = torch.where(fits_N, unlocked_N, front_N)
    flipped_N = front_N ^ (CLOSED | OPAQUE | WALKABLE)
    door_N = torch.where(front_N & LOCKED != 0, locked_after_N, flipped_N)
    return torch.where(kind_N == DOOR, door_N, after_N)
