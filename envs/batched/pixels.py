"""The agent's view as a picture: minigrid's own tiles, looked up by what each cell shows.

N worlds, K tiles, S pixels along a tile's side; R = 7 cells along the view's side.
"""

from itertools import product

import numpy as np
import torch
from gymnasium import spaces
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj
from torch import Tensor

from envs.batched.geometry import VIEW
from envs.errors import EnvError
from envs.observation import TILE

KINDS = OBJECT_TO_IDX["agent"]  # the kinds before it can lie in a cell
COLORS, STATES = len(COLOR_TO_IDX), len(STATE_TO_IDX)
FACING = 3  # in its own view the agent looks up


class TileAtlas:
    """Pictures equal to those of minigrid's `RGBImgPartialObsWrapper`, from symbolic views alone.

    minigrid draws each tile once, here; a picture is then one gather of rows of pixels, on any
    device, and waits for nothing.

    Args:
        tile_size: pixels S along a cell's side.
        device: where the views are.

    Attributes:
        space: of one picture, uint8 (7S, 7S, 3).
        tiles: uint8 (K, S, S, 3), the K tiles there are.

    Raises:
        EnvError: if a tile has no pixel.
    """

    def __init__(self, tile_size: int = TILE, device: str | torch.device = "cpu"):
        if tile_size < 1:
            raise EnvError(f"tile_size is {tile_size}; type 1 or more pixels, 8 as minigrid does")
        self.tile_size, self.device = tile_size, torch.device(device)
        side = VIEW * tile_size
        self.space = spaces.Box(0, 255, (side, side, 3), np.uint8)
        tiles = np.stack([_tile(tile_size, *what) for what in _whats()])
        self.tiles = torch.from_numpy(tiles).to(self.device)
        self._rows = self.tiles.flatten(0, 1).flatten(1)  # (K S, 3S)
        own_RR3 = torch.zeros(VIEW, VIEW, 3, dtype=torch.int32)
        own_RR3[VIEW // 2, VIEW - 1, 0] = KINDS  # the agent stands here, on its own tiles
        self._own = own_RR3.to(self.device)
        self._lines = torch.arange(tile_size, dtype=torch.int32, device=self.device)[:, None]

    def render(self, image: Tensor) -> Tensor:
        """Returns the pictures of symbolic views.

        Args:
            image: uint8 (N, 7, 7, 3), [x, y, (kind, colour, state)] as minigrid's.

        Returns:
            uint8 (N, 7S, 7S, 3), [row, column, (red, green, blue)].

        Raises:
            EnvError: for another shape, dtype or device.
        """
        tile_NRR = self.numbers(self.codes(image))
        row_NRSR = tile_NRR.transpose(1, 2)[:, :, None] * self.tile_size + self._lines
        pixels = self._rows.index_select(0, row_NRSR.reshape(-1))
        return pixels.view(-1, *self.space.shape)

    def codes(self, image: Tensor) -> Tensor:
        """What each cell is drawn from, int32 (N, 7, 7, 3): `image`, the agent's own cell marked.

        Arguments and errors as of `render`.
        """
        self._check(image)
        return image.to(torch.int32) + self._own

    @staticmethod
    def numbers(codes: Tensor) -> Tensor:
        """Which of the `tiles` cells are drawn as, int32 (...), by their codes (..., 3)."""
        kind, color, state = codes.unbind(-1)
        return (kind * COLORS + color) * STATES + state

    def _check(self, image: Tensor) -> None:
        if not isinstance(image, Tensor):
            raise EnvError(f"the image is {type(image).__name__}; type torch.as_tensor(image)")
        given = f"{image.dtype} {tuple(image.shape)} on {image.device.type}"
        expected = f"torch.uint8 ({len(image) if image.dim() else 'N'}, {VIEW}, {VIEW}, 3)"
        expected += f" on {self.device.type}"
        if given != expected:
            raise EnvError(
                f"the image is {given}; expected {expected}: give the `image` of worlds on the "
                "device of TileAtlas(device=...)"
            )


def _whats() -> product:
    """Whether the agent stands on it, kind, colour, state: in the order of the atlas."""
    return product((False, True), range(KINDS), range(COLORS), range(STATES))


def _tile(tile_size: int, own: bool, kind: int, color: int, state: int) -> np.ndarray:
    """minigrid's drawing of one cell; what the agent sees, it highlights."""
    tile = Grid.render_tile(
        WorldObj.decode(kind, color, state),
        agent_dir=FACING if own else None,
        highlight=kind != OBJECT_TO_IDX["unseen"],
        tile_size=tile_size,
    )
    return tile.astype(np.uint8)  # minigrid's tile is a mean of pixels; its pictures round down too
