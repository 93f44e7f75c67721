"""The FiLM-ed network: a sentence steers the processing of an image.

    tokens -> encoder -> generator -> gamma, beta of every block
    x -> stem -> FiLM-ed residual blocks -> features

Perez et al. 2018, section 2.2 and figure 3, without the classifier.

Shapes: B batch, T words, S distinct sentences, C channels, H height, W width, K codes of a cell,
U distinct cells.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from film_rl.block import (
    BlockConditioning,
    FiLMedResBlock,
    Norm,
    Placement,
    SteeredBlock,
    lay_out,
)
from film_rl.errors import check_choice, check_odd
from film_rl.film import FiLMGenerator, FiLMParams, GammaFn, GeneratorKind, take
from film_rl.language import SentenceEncoder
from film_rl.stems import FeatureStem, GridStem, PixelStem

Conditioning = Literal["film", "bias", "scale", "gate", "concat", "gated_attention", "none"]

# What each member of the family takes away from the generator.
_RESTRICTIONS: dict[str, dict[str, Any]] = {
    "bias": {"use_gamma": False},
    "scale": {"use_beta": False},
    "gate": {"gamma_fn": "sigmoid", "use_beta": False},
    "gated_attention": {"gamma_fn": "sigmoid", "use_beta": False, "offset": 0.0},
}


class StemConfig(Protocol):
    """Options of a stem, which make it."""

    @property
    def channels(self) -> int:
        """Channels of the stem's features."""

    def build(self) -> nn.Module:
        """Make the stem."""


@dataclass(frozen=True)
class GridStemConfig:
    """Options of `GridStem`."""

    num_values: tuple[int, ...] = (11, 11, 11)
    channels: int = 32
    num_layers: int = 1

    def build(self) -> GridStem:
        """Make the stem."""
        return GridStem(**asdict(self))


@dataclass(frozen=True)
class PixelStemConfig:
    """Options of `PixelStem`."""

    in_channels: int = 3
    channels: int = 128
    num_layers: int = 4
    norm: bool = True
    kernel_size: int = 4

    def build(self) -> PixelStem:
        """Make the stem."""
        return PixelStem(**asdict(self))


@dataclass(frozen=True)
class FeatureStemConfig:
    """Options of `FeatureStem`."""

    in_channels: int = 1024
    channels: int = 128
    num_layers: int = 1
    kernel_size: int = 3
    coords: bool = True

    def build(self) -> FeatureStem:
        """Make the stem."""
        return FeatureStem(**asdict(self))


@dataclass(frozen=True)
class SentenceConfig:
    """Options of `SentenceEncoder`."""

    vocab_size: int
    embedding_dim: int = 64
    hidden_dim: int = 64
    bidirectional: bool = False
    attention: bool = False
    asker_dim: int = 0


@dataclass(frozen=True)
class GeneratorConfig:
    """Options of `FiLMGenerator`."""

    kind: GeneratorKind = "linear"
    hidden_dim: int | None = None
    gamma_fn: GammaFn = "identity"
    use_gamma: bool = True
    use_beta: bool = True
    offset: float = 1.0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, get_args(GeneratorKind))
        check_choice("gamma_fn", self.gamma_fn, get_args(GammaFn))


@dataclass(frozen=True)
class NetworkConfig:
    """Options of `FiLMedNetwork`; block options are those of `FiLMedResBlock`.

    Args:
        stem: options of the stem, which also choose it.
        sentence: options of the sentence encoder.
        conditioning: how the sentence acts on a conditioned block. "film"; "bias" (gamma = 1);
            "scale" (beta = 0); "gate" (gamma = sigmoid(1 + delta), beta = 0); "concat" (gamma
            and beta become feature maps); "gated_attention" (what one block puts out, the last
            by default, times sigmoid(delta), and nothing else: Chaplot et al. 2018,
            arXiv:1706.07230); "none", a network that never reads the sentence.
        generator: options of the FiLM generator.
        channels: channels of every block.
        kernel_sizes: kernel size of each block; its length is the number of blocks.
        film_blocks: which blocks are conditioned; None is all of them, or the last one with
            "gated_attention".

    Raises:
        ValueError: an option is unknown, or options contradict each other.
    """

    stem: StemConfig
    sentence: SentenceConfig
    conditioning: Conditioning = "film"
    generator: GeneratorConfig = GeneratorConfig()
    channels: int = 128
    kernel_sizes: tuple[int, ...] = (3, 3, 3, 3)
    norm: Norm = "batch"
    placement: Placement = "after_norm"
    residual: bool = True
    coords: bool = True
    film_blocks: tuple[bool, ...] | None = None

    def __post_init__(self) -> None:
        check_choice("conditioning", self.conditioning, get_args(Conditioning))
        check_choice("norm", self.norm, get_args(Norm))
        check_choice("placement", self.placement, get_args(Placement))
        for kernel_size in self.kernel_sizes:
            check_odd("kernel_size", kernel_size)
        if self.film_blocks is not None and len(self.film_blocks) != len(self.kernel_sizes):
            raise ValueError(
                f"film_blocks={self.film_blocks} has {len(self.film_blocks)} entries; expected "
                f"one per block, and kernel_sizes={self.kernel_sizes} makes "
                f"{len(self.kernel_sizes)} blocks"
            )
        if self.conditioning != "none" and not any(self.conditioned_blocks):
            raise ValueError(
                f"conditioning={self.conditioning!r} but no block is conditioned: "
                f"kernel_sizes={self.kernel_sizes}, film_blocks={self.film_blocks}; for a network "
                "that never reads the sentence say conditioning='none'"
            )

        if self.conditioning == "gated_attention" and sum(self.conditioned_blocks) > 1:
            raise ValueError(
                f"film_blocks={self.film_blocks} with conditioning='gated_attention', which acts "
                "at one place; leave film_blocks out, or choose one block"
            )

    @property
    def conditioned_blocks(self) -> tuple[bool, ...]:
        """Whether the sentence acts on each block."""
        blocks = len(self.kernel_sizes)
        if self.conditioning == "none":
            return (False,) * blocks
        if self.film_blocks:
            return self.film_blocks
        if self.conditioning == "gated_attention":
            return tuple(block == blocks - 1 for block in range(blocks))
        return (True,) * blocks


class FiLMedNetwork(nn.Module):
    """features = blocks(stem(x)), each conditioned block steered by generator(encoder(tokens)).

    Attributes:
        stem: from x to feature maps.
        encoder: from tokens to the condition z; None with conditioning "none".
        generator: from z to every block's gamma and beta; None with conditioning "none".
        blocks: the residual blocks.
        output_channels: channels of the features.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = config.stem.build()
        self.blocks = nn.ModuleList()
        self.output_channels = config.stem.channels
        num_features = []
        for kernel_size, conditioned in zip(
            config.kernel_sizes, config.conditioned_blocks, strict=True
        ):
            block = self.make_block(self.output_channels, kernel_size, conditioned)
            self.blocks.append(block)
            num_features += [block.film_features] * conditioned
            self.output_channels = config.channels
        self.encoder: SentenceEncoder | None = None
        self.generator: FiLMGenerator | None = None
        if config.conditioning != "none":
            self.encoder = SentenceEncoder(**asdict(config.sentence))
            options = asdict(config.generator) | _RESTRICTIONS.get(config.conditioning, {})
            self.generator = FiLMGenerator(self.encoder.output_dim, num_features, **options)

    def make_block(self, in_channels: int, kernel_size: int, conditioned: bool) -> SteeredBlock:
        """One of the blocks; another network may have others."""
        config = self.config
        how: BlockConditioning = "concat" if config.conditioning == "concat" else "film"
        gated = config.conditioning == "gated_attention"
        return FiLMedResBlock(
            in_channels,
            config.channels,
            kernel_size=kernel_size,
            norm=config.norm,
            placement="after_residual" if gated else config.placement,
            residual=config.residual,
            coords=config.coords,
            conditioning=how if conditioned else "none",
        )

    def condition(self, tokens_BT: Tensor) -> FiLMParams:
        """Predict (gamma, beta) of every conditioned block from the sentences (B, T)."""
        if self.encoder is None or self.generator is None:
            return []
        film_params: FiLMParams = self.generator(self.encoder(tokens_BT))
        return film_params

    def condition_on(self, states_BTD: Tensor, is_word_BT: Tensor, asker_BS: Tensor) -> FiLMParams:
        """`condition`, where the encoder's `asker_dim` says that somebody asks of the words.

        Args:
            states_BTD: the words' states of each sentence, as of `SentenceEncoder.words`.
            is_word_BT: which of them are words.
            asker_BS: who asks each sentence.
        """
        assert self.encoder is not None
        assert self.generator is not None
        z_BD = self.encoder.attend(states_BTD, is_word_BT, asker_BS)
        film_params: FiLMParams = self.generator(z_BD)
        return film_params

    def modulate(self, x: Tensor, film_params: FiLMParams, rows_B: Tensor | None = None) -> Tensor:
        """Map the stem's input to features (B, C, H, W), steered by `condition`'s result.

        Args:
            x: what the stem reads.
            film_params: one (gamma, beta) per conditioned block.
            rows_B: which row of x each sentence is about, where several are about one: the stem,
                and all that comes before the first FiLM layer, then runs once a row of x.

        Raises:
            ValueError: there is not one (gamma, beta) per conditioned block.
        """
        return self.steer(self.stem(x), film_params, rows_B)

    def steer(
        self, features_BCHW: Tensor, film_params: FiLMParams, rows_B: Tensor | None = None
    ) -> Tensor:
        """`modulate` of what the stem has read already."""
        expected = sum(self.config.conditioned_blocks)
        if len(film_params) != expected:
            raise ValueError(
                f"film_params has {len(film_params)} pairs of gamma and beta; expected {expected}, "
                "one per conditioned block, as condition(tokens) returns them"
            )
        pairs = iter(film_params)
        for block, conditioned in zip(self.blocks, self.config.conditioned_blocks, strict=True):
            if conditioned:
                features_BCHW = block(features_BCHW, *next(pairs), rows_B)
                rows_B = None
            else:
                features_BCHW = block(features_BCHW)
        return features_BCHW if rows_B is None else features_BCHW.index_select(0, rows_B)

    def modulate_cells(
        self,
        codes_BWHK: Tensor,
        film_params: FiLMParams,
        sentence_B: Tensor,
        read: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """`modulate` for codes, computing once what many cells have in common.

        The stem and the leading blocks that work per cell see each distinct cell of each sentence
        once, however often it occurs: in a batch of views, ten times less. To find them is to wait
        for the device, so only the CPU does it.

        Args:
            codes_BWHK: what `read` reads, each code below 256.
            film_params: (gamma, beta) of S sentences.
            sentence_B: which of them is about each view.
            read: from codes to the features (B, C, H, W) of cells, each cell by itself; the stem,
                a `GridStem`, when not given.

        Raises:
            ValueError: a code is below 0 or above 255 (on a CPU).
        """
        read = read or self.stem
        if codes_BWHK.device.type != "cpu":
            return self.steer(read(codes_BWHK), take(film_params, sentence_B))
        codes_UK, sentence_U, cells_BHW = distinct_cells(codes_BWHK, sentence_B)
        features: Tensor = read(codes_UK[:, None, None, :])
        cells: Tensor | None = cells_BHW  # until they are in their places
        pairs_U, pairs_B = (self._by_block(film_params, s) for s in (sentence_U, sentence_B))
        for block, pair_U, pair_B in zip(self.blocks, pairs_U, pairs_B, strict=True):
            if cells is not None and block.per_cell:
                features = block(features, *pair_U)
            else:
                features = block(features, *pair_B, cells_BHW=cells)
                cells = None
        return features if cells is None else lay_out(features, cells)

    def _by_block(self, film_params: FiLMParams, rows_B: Tensor) -> list[tuple[Tensor, ...]]:
        """Rows of gamma and beta for every block; none for one that is not conditioned."""
        pairs = iter(take(film_params, rows_B))
        return [
            next(pairs) if conditioned else () for conditioned in self.config.conditioned_blocks
        ]

    def forward(
        self, x: Tensor, tokens_BT: Tensor, return_film: bool = False
    ) -> Tensor | tuple[Tensor, FiLMParams]:
        """Map the stem's input and sentences (B, T) to features (B, C, H, W).

        Args:
            x: what the stem reads.
            tokens_BT: ids of the words, 0 only at the end of a row.
            return_film: also return every conditioned block's (gamma, beta).
        """
        film_params = self.condition(tokens_BT)
        features_BCHW = self.modulate(x, film_params)
        return (features_BCHW, film_params) if return_film else features_BCHW


def distinct_cells(codes_BWHK: Tensor, sentence_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The distinct pairs of a cell's codes and its view's sentence.

    Returns:
        codes_UK and sentence_U of each, and cells_BHW, which of them each cell of each view is.

    Raises:
        ValueError: a code does not fit into a byte, and could not be told from another.
    """
    if codes_BWHK.numel() and not 0 <= codes_BWHK.min() <= codes_BWHK.max() <= 0xFF:
        low, high = int(codes_BWHK.min()), int(codes_BWHK.max())
        raise ValueError(f"codes from {low} to {high}; expected 0 to 255")
    key_BWH = sentence_B[:, None, None]
    for code_BWH in codes_BWHK.unbind(dim=3):
        key_BWH = key_BWH << 8 | code_BWH
    key_U, cells_BWH = torch.unique(key_BWH, return_inverse=True)
    shifts_K = torch.arange(8 * (codes_BWHK.shape[3] - 1), -1, -8)
    codes_UK = key_U[:, None] >> shifts_K & 0xFF
    return codes_UK, key_U >> 8 * codes_BWHK.shape[3], cells_BWH.transpose(1, 2)
