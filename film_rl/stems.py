"""Stems: from an image, its features or a grid of codes, to the feature maps that FiLM modulates.

Shapes: B batch, C channels, H height, W width, K codes of one cell.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from film_rl.block import CellConv2d, append_coordinates
from film_rl.errors import check_odd


class PixelStem(nn.Module):
    """Learn from pixels: num_layers of convolution with stride 2, batch norm, ReLU.

    Four layers map 224x224 to 14x14. Perez et al. 2018, section 2.2. With 2x2 kernels and no norm a
    cell of the output sees its own 2^layers pixels a side and nothing else: three layers read
    8-pixel tiles, as many at once as one likes.

    Args:
        in_channels: channels of the image.
        channels: channels of the output.
        num_layers: how many times height and width are halved.
        norm: normalise over the batch.
        kernel_size: side of the kernels, even: 4, the paper's, or 2.

    Raises:
        ValueError: the kernel size is odd.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 128,
        num_layers: int = 4,
        norm: bool = True,
        kernel_size: int = 4,
    ) -> None:
        super().__init__()
        if kernel_size % 2 or kernel_size < 2:
            raise ValueError(
                f"kernel_size={kernel_size} does not halve height and width; "
                "expected an even number, such as 4"
            )
        self.channels = channels
        layers: list[nn.Module] = []
        for layer in range(num_layers):
            inputs, padding = channels if layer else in_channels, kernel_size // 2 - 1
            layers += [nn.Conv2d(inputs, channels, kernel_size, stride=2, padding=padding)]
            layers += [nn.BatchNorm2d(channels), nn.ReLU()] if norm else [nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H / 2^layers, W / 2^layers)."""
        out: Tensor = self.layers(x_BCHW)
        return out


class FeatureStem(nn.Module):
    """Read the features of a pre-trained network: num_layers of convolution, batch norm, ReLU.

    The paper's are layer 3 of a ResNet-101, 1024x14x14. Perez et al. 2018, section 2.2.

    Args:
        in_channels: channels of the features.
        channels: channels of the output.
        num_layers: number of convolutions.
        kernel_size: side of their kernels, odd, so that height and width stay.
        coords: append coordinate maps to the features.

    Raises:
        ValueError: the kernel size is even.
    """

    def __init__(
        self,
        in_channels: int = 1024,
        channels: int = 128,
        num_layers: int = 1,
        kernel_size: int = 3,
        coords: bool = True,
    ) -> None:
        super().__init__()
        check_odd("kernel_size", kernel_size)
        self.channels = channels
        self.coords = coords
        layers: list[nn.Module] = []
        for layer in range(num_layers):
            inputs = channels if layer else in_channels + 2 * coords
            layers += [nn.Conv2d(inputs, channels, kernel_size, padding=kernel_size // 2)]
            layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H, W)."""
        out: Tensor = self.layers(append_coordinates(x_BCHW) if self.coords else x_BCHW)
        return out


class GridStem(nn.Module):
    """Read MiniGrid's symbolic view: the sum of one embedding per code, then per-cell layers.

    A cell is K codes, in MiniGrid its object, colour and state. Nothing mixes cells here: a 3x3
    convolution before the first FiLM makes an agent learn several times slower (measured).
    The bag of words is that of Hui et al. 2020, "BabyAI 1.1", section 3.

    Args:
        num_values: how many values each of the K codes can take; larger codes are not detected.
        channels: channels of the output.
        num_layers: number of 1x1 convolutions with ReLU after the sum.
    """

    offsets: Tensor

    def __init__(
        self,
        num_values: Sequence[int] = (11, 11, 11),
        channels: int = 32,
        num_layers: int = 1,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.embedding = nn.Embedding(sum(num_values), channels)
        nn.init.normal_(self.embedding.weight, std=len(num_values) ** -0.5)  # the sum's is 1
        starts = list(accumulate(num_values, initial=0))[:-1]
        self.register_buffer("offsets", torch.tensor(starts), persistent=False)
        per_cell = [(CellConv2d(channels, channels, 1), nn.ReLU()) for _ in range(num_layers)]
        self.layers = nn.Sequential(*[module for layer in per_cell for module in layer])

    def forward(self, codes_BWHK: Tensor) -> Tensor:
        """Map integer codes[b, x, y, k], (B, W, H, K), to features (B, channels, H, W).

        Raises:
            ValueError: the codes are not (B, W, H, K).
        """
        K = len(self.offsets)
        if codes_BWHK.ndim != 4 or codes_BWHK.shape[3] != K:
            raise ValueError(
                f"codes have shape {tuple(codes_BWHK.shape)}; expected (B, W, H, {K}), "
                "MiniGrid's image[x, y, code] with a batch axis in front"
            )
        codes_BHWK = codes_BWHK.transpose(1, 2) + self.offsets
        features_BHWC = self.embedding(codes_BHWK).sum(dim=3)
        out: Tensor = self.layers(features_BHWC.permute(0, 3, 1, 2))
        return out
