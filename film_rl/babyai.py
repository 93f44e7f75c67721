"""BabyAI 1.1's network: a FiLM-ed network of another stem and other blocks.

Hui, Chevalier-Boisvert, Bahdanau and Bengio 2020, "BabyAI 1.1" (arXiv:2007.12770), and its code:
the models `bow_endpool_res` and `pixels_endpool_res`.

Shapes: B batch, C channels, H height, W width, K codes of one cell.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from film_rl.block import SteeredBlock, make_norm
from film_rl.film import FiLM, FiLMParams, take
from film_rl.network import FiLMedNetwork, GeneratorConfig, NetworkConfig, SentenceConfig
from film_rl.stems import FeatureStem, GridStem

CODES = 147  # rows the published embedding has for each of a cell's three codes; 11 would do


class BabyAIStem(nn.Module):
    """Each cell by itself, then twice [3x3 convolution, batch norm, ReLU], which keep 7x7 cells.

    A cell is the sum of its codes' embeddings, or an 8x8 convolution of its tile's pixels.

    Args:
        channels: channels C of every layer.
        pixels: read pictures rather than codes.
    """

    def __init__(self, channels: int = 128, pixels: bool = False) -> None:
        super().__init__()
        self.channels = channels
        if pixels:
            self.cells: nn.Module = nn.Conv2d(3, channels, 8, stride=8)
        else:
            self.cells = GridStem((CODES,) * 3, channels, num_layers=0)
            nn.init.normal_(self.cells.embedding.weight)
        self.mix = FeatureStem(channels, channels, num_layers=2, coords=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map codes (B, W, H, 3), or pictures (B, 3, 8 H, 8 W), to (B, C, H, W)."""
        out: Tensor = self.mix(self.cells(x))
        return out


@dataclass(frozen=True)
class BabyAIStemConfig:
    """Options of `BabyAIStem`."""

    channels: int = 128
    pixels: bool = False

    def build(self) -> BabyAIStem:
        """Make the stem."""
        return BabyAIStem(**asdict(self))


class BabyAIBlock(SteeredBlock):
    """out = x + relu(norm2(FiLM(conv2(relu(norm1(conv1(x))))))).

    The norm comes after FiLM, with a scale and a shift of its own: so it is in the code; the paper
    says it comes before. Both convolutions are 3x3 and read no coordinates.

    Args:
        channels: channels C of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.film_features, self.per_cell = channels, False
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = make_norm("batch", channels, affine=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = make_norm("batch", channels, affine=True)
        self.film = FiLM()

    def forward(
        self, x_BCHW: Tensor, gamma_BC: Tensor, beta_BC: Tensor, rows_B: Tensor | None = None
    ) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W); arguments as of `FiLMedResBlock.forward`."""
        if rows_B is not None:
            x_BCHW = x_BCHW.index_select(0, rows_B)
        y_BCHW = F.relu(self.norm1(self.conv1(x_BCHW)))
        y_BCHW = F.relu(self.norm2(self.film(self.conv2(y_BCHW), gamma_BC, beta_BC)))
        return x_BCHW + y_BCHW


class BabyAINetwork(FiLMedNetwork):
    """features = two `BabyAIBlock`s(`BabyAIStem`(x)), steered by gamma = W z + b and beta.

    gamma is a linear function of z without 1 added, as published.

    Args:
        sentence: options of the sentence encoder.
        channels: channels of every layer.
        pixels: read pictures rather than codes.
    """

    def __init__(self, sentence: SentenceConfig, channels: int = 128, pixels: bool = False) -> None:
        super().__init__(
            NetworkConfig(
                stem=BabyAIStemConfig(channels, pixels),
                sentence=sentence,
                generator=GeneratorConfig(offset=0.0),
                channels=channels,
                kernel_sizes=(3, 3),
                placement="after_conv2",
                coords=False,
            )
        )

    def make_block(self, in_channels: int, kernel_size: int, conditioned: bool) -> SteeredBlock:
        """One of the blocks: all have the stem's channels, and all are conditioned."""
        return BabyAIBlock(in_channels)

    def modulate_cells(
        self,
        codes_BWHK: Tensor,
        film_params: FiLMParams,
        sentence_B: Tensor,
        read: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """As of `FiLMedNetwork`; nothing is shared, since the stem mixes cells."""
        features_BCHW = (read or self.stem)(codes_BWHK)
        return self.steer(features_BCHW, take(film_params, sentence_B))
