"""The FiLM-ed residual block, and the coordinate maps it reads.

Shapes: B batch, C channels, H height, W width, U distinct cells.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from film_rl.errors import check_choice, check_odd
from film_rl.film import FiLM

Norm = Literal["batch", "layer", "none"]
Placement = Literal["before_conv1", "after_conv2", "after_norm", "after_relu2", "after_residual"]
BlockConditioning = Literal["film", "concat", "none"]


def coordinate_maps(x_BCHW: Tensor) -> Tensor:
    """Where each cell is: (B, 2, H, W), channel 0 is x along the width, 1 is y along the height.

    Both run from -1 to 1, in the dtype, device and memory format of x.
    """
    B, _, H, W = x_BCHW.shape
    x_W, y_H = (torch.linspace(-1, 1, n, dtype=x_BCHW.dtype, device=x_BCHW.device) for n in (W, H))
    maps_2HW = torch.stack([x_W.expand(H, W), y_H[:, None].expand(H, W)])
    # torch.cat falls back to a slow layout, for x too, when the layouts it is given differ.
    channels_last = x_BCHW.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return maps_2HW.expand(B, 2, H, W).contiguous(memory_format=layout)


def append_coordinates(x_BCHW: Tensor) -> Tensor:
    """Append the two coordinate maps to the channels: (B, C, H, W) -> (B, C + 2, H, W)."""
    return torch.cat([x_BCHW, coordinate_maps(x_BCHW)], dim=1)


def append_tiled(x_BCHW: Tensor, *conditions_BC: Tensor) -> Tensor:
    """Append each condition (B, C), repeated at every cell, to the channels of x."""
    H, W = x_BCHW.shape[2:]
    tiled = [c_BC[:, :, None, None].expand(-1, -1, H, W) for c_BC in conditions_BC]
    return torch.cat([x_BCHW, *tiled], dim=1)


def lay_out(x_UC11: Tensor, cells_BHW: Tensor) -> Tensor:
    """Put cells (U, C, 1, 1) in their places: (B, C, H, W), channels last."""
    x_NC = x_UC11.flatten(1).index_select(0, cells_BHW.flatten())
    return x_NC.view(*cells_BHW.shape, x_NC.shape[1]).permute(0, 3, 1, 2)


def make_norm(norm: Norm, channels: int, affine: bool) -> nn.Module:
    """Build the normalisation of (B, C, H, W): over the batch, over each sample alone, or none."""
    if norm == "batch":
        return nn.BatchNorm2d(channels, affine=affine)
    if norm == "layer":
        return nn.GroupNorm(1, channels, affine=affine)
    return nn.Identity()


class CellConv2d(nn.Conv2d):
    """A convolution that is a matrix product on single cells (U, C, 1, 1), where that is faster."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Convolve, as of nn.Conv2d."""
        if x_BCHW.shape[2:] == self.kernel_size == (1, 1):
            return F.linear(x_BCHW.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]
        return super().forward(x_BCHW)


class SteeredBlock(nn.Module):
    """A block of a FiLM-ed network: from feature maps, gamma and beta to feature maps.

    Attributes:
        film_features: length of the gamma and of the beta that `forward` takes; 0 for none.
        per_cell: whether no cell of the output depends on another cell, or on where it is.
    """

    film_features: int
    per_cell: bool


class FiLMedResBlock(SteeredBlock):
    """r = relu(conv1([x, coords])); out = r + relu(FiLM(norm(conv2(r)))).

    Perez et al. 2018, section 2.2 and figure 3; the placements are those of its table 2.
    conv1 is 1x1, conv2 keeps height and width. The norm has its own scale and shift only where
    FiLM does not supply them.

    Args:
        in_channels: channels of x.
        channels: channels of the output.
        kernel_size: side of conv2's kernel, odd.
        norm: "batch"; "layer", per sample, so that a policy answers alike in rollout and
            update; or "none".
        placement: where FiLM acts. "before_conv1" modulates x, before coordinates are appended.
        residual: add r to the output.
        coords: append coordinate maps to conv1's input.
        conditioning: "film"; "concat", which tiles gamma and beta over space and appends them to
            conv2's input; or "none".

    Raises:
        ValueError: an option is unknown, or the kernel size even.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        kernel_size: int = 3,
        norm: Norm = "batch",
        placement: Placement = "after_norm",
        residual: bool = True,
        coords: bool = True,
        conditioning: BlockConditioning = "film",
    ) -> None:
        super().__init__()
        check_choice("norm", norm, get_args(Norm))
        check_choice("placement", placement, get_args(Placement))
        check_choice("conditioning", conditioning, get_args(BlockConditioning))
        check_odd("kernel_size", kernel_size)
        self.film_at = placement if conditioning == "film" else None
        modulated = in_channels if self.film_at == "before_conv1" else channels
        self.film_features = 0 if conditioning == "none" else modulated
        self.per_cell = kernel_size == 1 and norm == "none" and not coords
        self.residual = residual
        self.coords = coords
        self.conditioning = conditioning
        tiled = 2 * channels if conditioning == "concat" else 0
        self.conv1 = CellConv2d(in_channels + 2 * coords, channels, 1)
        self.conv2 = CellConv2d(channels + tiled, channels, kernel_size, padding=kernel_size // 2)
        self.norm = make_norm(norm, channels, affine=conditioning != "film")
        self.film = FiLM()

    def forward(
        self,
        x_BCHW: Tensor,
        gamma_BC: Tensor | None = None,
        beta_BC: Tensor | None = None,
        rows_B: Tensor | None = None,
        cells_BHW: Tensor | None = None,
    ) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H, W), steered by gamma and beta.

        Args:
            x_BCHW: the input, one a condition; with `rows_B` there may be fewer.
            gamma_BC: one scale per condition and feature.
            beta_BC: one shift per condition and feature.
            rows_B: which row of x each condition reads. What does not depend on the condition is
                then computed once a row, which also is what the norm takes its statistics over.
            cells_BHW: which row of x each cell is, where x are cells (U, in_channels, 1, 1). What
                comes before conv2, if it does not depend on the condition, is then computed once a
                row.
        """
        pair = [p_BC for p_BC in (gamma_BC, beta_BC) if p_BC is not None]
        if len(pair) != (2 if self.film_features else 0):
            takes = "x, gamma and beta" if self.film_features else "x alone"
            raise ValueError(f"a block with conditioning={self.conditioning!r} takes {takes}")

        def modulate_at(place: Placement, y_BCHW: Tensor) -> Tensor:
            return self.film(y_BCHW, *pair) if place == self.film_at else y_BCHW

        concat = self.conditioning == "concat"
        if rows_B is not None and (concat or self.film_at in ("before_conv1", "after_conv2")):
            x_BCHW, rows_B = x_BCHW.index_select(0, rows_B), None
        if cells_BHW is not None and (self.coords or self.film_at == "before_conv1"):
            x_BCHW, cells_BHW = lay_out(x_BCHW, cells_BHW), None
        x_BCHW = modulate_at("before_conv1", x_BCHW)
        r_BCHW = F.relu(self.conv1(append_coordinates(x_BCHW) if self.coords else x_BCHW))
        if cells_BHW is not None:
            r_BCHW = lay_out(r_BCHW, cells_BHW)
        y_BCHW = self.conv2(append_tiled(r_BCHW, *pair) if concat else r_BCHW)
        y_BCHW = self.norm(modulate_at("after_conv2", y_BCHW))
        if rows_B is not None:
            r_BCHW, y_BCHW = (z_BCHW.index_select(0, rows_B) for z_BCHW in (r_BCHW, y_BCHW))
        y_BCHW = modulate_at("after_norm", y_BCHW)
        y_BCHW = modulate_at("after_relu2", F.relu(y_BCHW))
        return modulate_at("after_residual", r_BCHW + y_BCHW if self.residual else y_BCHW)
