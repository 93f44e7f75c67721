"""The FiLM-ed CNN as a features extractor for any Stable-Baselines3 algorithm.

Shape suffixes: B samples, S distinct sentences, T words, W H K the view's x, y and channels,
C feature maps, A last actions, N tiles of which pictures are made.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from envs.batched import TileAtlas
from envs.observation import MAX_CODE, SYMBOLS, TILE
from film_rl import FiLMedNetwork
from film_rl.film import FiLMParams, take
from film_rl.network import (
    Conditioning,
    GridStemConfig,
    NetworkConfig,
    PixelStemConfig,
    SentenceConfig,
)
from film_rl.run import UserError
from film_rl.run.device import autocast

SQUEEZED_CHANNELS = 16


class InstructionExtractor(BaseFeaturesExtractor, ABC):
    """View, instruction and last actions -> features: what all extractors have in common.

    Args:
        observation_space: what `envs.make_env` gives: image (of a picture SB3 puts the channels
            first), instruction and perhaps last_actions.
        features_dim: size of the features.
        precision: bfloat16 runs the network under autocast; features are float32 either way.
        attends_to: size S of the memory's state, where it attends to the sentence's words anew at
            each step; 0 where a sentence is read once.

    Attributes:
        network: what the sentence steers.
        pixels: whether the view is a picture.
        num_actions: how many values an entry of the last actions has; 0 where none are shown.
        reader: makes gamma and beta of sentences (S, T) in the place of the network's own reading,
            where it is set: for experiments with what the agent is told.

    Raises:
        UserError: the images are neither minigrid's views nor pictures of them.
    """

    POLICY: ClassVar[dict[str, Any]] = {"net_arch": []}
    """Arguments of `FiLMPolicy` that suit the extractor."""
    network: FiLMedNetwork

    def __init__(
        self,
        observation_space: spaces.Dict,
        features_dim: int,
        precision: torch.dtype,
        attends_to: int = 0,
    ) -> None:
        super().__init__(observation_space, features_dim)
        self.precision, self.attends_to = precision, attends_to
        self.reader: Callable[[Tensor], FiLMParams] | None = None
        self.pixels = is_picture(observation_space["image"])
        actions = observation_space.spaces.get("last_actions")
        self.num_actions = int(actions.high.max()) + 1 if actions else 0

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Observations as SB3 hands them over (float tensors) -> features (B, features_dim).

        An extractor that attends is asked by an empty memory.
        """
        film_params, sentence_B = self.condition(observations["instruction"].long())
        if self.attends_to:
            nothing_BS = torch.zeros(len(sentence_B), self.attends_to, device=sentence_B.device)
            film_params, sentence_B = self.attend(film_params, sentence_B, nothing_BS)
        image, last_BA = self.seen(observations)
        return self.features(image, film_params, sentence_B, last_BA)

    def seen(self, observations: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """View and last actions as `features` takes them, from SB3's observations."""
        last_BA = observations["last_actions"].long() if self.num_actions else None
        image = observations["image"]
        return image if self.pixels else image.long(), last_BA

    def features(
        self,
        image: Tensor,
        film_params: FiLMParams,
        sentence_B: Tensor,
        last_BA: Tensor | None,
    ) -> Tensor:
        """View, FiLM of S sentences, each sample's sentence, last actions -> (B, features_dim).

        Args:
            image: minigrid's symbolic view, whole numbers (B, W, H, K), also where the network
                reads pictures; or pictures as of `as_pictures`, then.
            film_params: gamma and beta of S sentences.
            sentence_B: which of them is each sample's.
            last_BA: the last actions, None where the agent is not shown any.
        """
        with autocast(image.device, self.precision):
            features = self.flat(self._maps(image, film_params, sentence_B), last_BA)
        return features.float()

    def _maps(self, image: Tensor, film_params: FiLMParams, sentence_B: Tensor) -> Tensor:
        """The blocks' feature maps (B, C, H, W)."""
        if image.is_floating_point():
            return self.network.modulate(image, take(film_params, sentence_B))
        if not self.pixels:
            return self.network.modulate_cells(image, film_params, sentence_B)
        codes_BWHK = atlas_on(image.device).codes(image.byte())
        return self.network.modulate_cells(codes_BWHK, film_params, sentence_B, self._look_up)

    def _look_up(self, codes_BWHK: Tensor) -> Tensor:
        """What the stem makes of each cell's tile, (B, C, H, W): the 360 tiles are read once."""
        atlas = atlas_on(codes_BWHK.device)
        features_NC = self.network.stem(as_pictures(atlas.tiles)).flatten(1)
        tile_BHW = atlas.numbers(codes_BWHK).transpose(1, 2)
        return F.embedding(tile_BHW, features_NC).permute(0, 3, 1, 2)

    @abstractmethod
    def flat(self, x_BCHW: Tensor, last_BA: Tensor | None) -> Tensor:
        """The blocks' features and the last actions as features (B, features_dim)."""

    def condition(self, tokens_BT: Tensor) -> tuple[FiLMParams, Tensor]:
        """gamma and beta of each block for each distinct sentence, and each sample's sentence."""
        longest = int((tokens_BT != 0).sum(1).max())
        tokens_ST, sentence_B = torch.unique(
            tokens_BT[:, : max(longest, 1)], dim=0, return_inverse=True
        )
        return self.read(tokens_ST), sentence_B

    def read(self, tokens_ST: Tensor) -> FiLMParams:
        """gamma and beta of each block for each sentence.

        Of an extractor that attends what `attend` takes instead: a single pair, the words' states
        and which are words.
        """
        with autocast(tokens_ST.device, self.precision):
            if self.attends_to:
                assert self.network.encoder is not None
                return [self.network.encoder.words(tokens_ST)]
            return (self.reader or self.network.condition)(tokens_ST)

    def attend(
        self, words: FiLMParams, sentence_B: Tensor, state_BS: Tensor
    ) -> tuple[FiLMParams, Tensor]:
        """gamma and beta that the memory's state asks for, one a sample; and each sample's row.

        Args:
            words: of S sentences, as of `read`.
            sentence_B: which of them is each sample's.
            state_BS: the memory's, from before the step.
        """
        with autocast(state_BS.device, self.precision):
            ((states_BTD, is_word_BT),) = take(words, sentence_B)
            film_params = self.network.condition_on(states_BTD, is_word_BT, state_BS)
        return film_params, torch.arange(len(sentence_B), device=sentence_B.device)


class FiLMExtractor(InstructionExtractor):
    """View, instruction and last actions -> features, by FiLM-ed residual blocks and one layer.

    The stem and the first block work per cell (1x1) so that FiLM can pick out the named object
    before anything is mixed; no batch statistics, so rollout and update see the same network; the
    head is flat rather than pooled, since where the object stands is what the agent needs.
    `direction` is not used, as in BabyAI's own models. Where the view is a picture, a stem of 2x2
    convolutions reads each cell's 8 x 8 pixels by themselves, for the same reason.

    Args:
        observation_space, features_dim, precision, attends_to: as of `InstructionExtractor`.
        channels: feature maps C.
        blocks: FiLM-ed residual blocks.
        sentence_dim: size of the word embedding and of the GRU.
        conditioning: film, bias, scale, gate, concat, gated_attention or none
            (`film_rl.NetworkConfig`).
        normalize: layer norm of the features (Ba et al. 2016), for a memory behind them. What
            leaves a ReLU may grow until a memory's gates saturate and no gradient passes: so a
            GRU without last actions never got beyond half of GoToLocal's episodes.
    """

    def __init__(  # noqa: PLR0913
        self,
        observation_space: spaces.Dict,
        *,
        channels: int = 32,
        blocks: int = 2,
        sentence_dim: int = 64,
        conditioning: Conditioning = "film",
        features_dim: int = 128,
        precision: torch.dtype = torch.float32,
        attends_to: int = 0,
        normalize: bool = False,
    ):
        if blocks < 1:
            raise ValueError(f"blocks={blocks}; expected at least one FiLM-ed block")
        super().__init__(observation_space, features_dim, precision, attends_to)
        image, instruction = observation_space["image"], observation_space["instruction"]
        width, height, _ = SYMBOLS
        self.network = FiLMedNetwork(
            NetworkConfig(
                stem=_pixel_stem(channels) if self.pixels else _grid_stem(image, channels),
                sentence=SentenceConfig(
                    vocab_size=int(instruction.high.max()) + 1,
                    embedding_dim=sentence_dim,
                    hidden_dim=sentence_dim,
                    bidirectional=attends_to > 0,
                    asker_dim=attends_to,
                ),
                conditioning=conditioning,
                channels=channels,
                kernel_sizes=(1, *[3] * (blocks - 1)),
                norm="none",
                coords=False,
            )
        )
        actions = observation_space.spaces.get("last_actions")
        actions_dim = self.num_actions * actions.shape[0] if actions else 0
        self.squeeze = nn.Linear(channels, SQUEEZED_CHANNELS)
        self.head = nn.Linear(SQUEEZED_CHANNELS * width * height + actions_dim, features_dim)
        self.norm = nn.LayerNorm(features_dim) if normalize else nn.Identity()

    def flat(self, x_BCHW: Tensor, last_BA: Tensor | None) -> Tensor:
        """The blocks' features and the last actions through one layer, (B, features_dim)."""
        # Not a plain ReLU: blocks end positive, so one shift of these few channels could
        # silence them for good, and with them all the agent sees (it did, in one run of three).
        x_BHWC = F.leaky_relu(self.squeeze(x_BCHW.permute(0, 2, 3, 1)), 0.1)
        parts = [x_BHWC.flatten(1)]
        if last_BA is not None:
            parts.append(F.one_hot(last_BA, self.num_actions).flatten(1).to(x_BHWC.dtype))
        features: Tensor = self.norm(F.relu(self.head(torch.cat(parts, dim=1))))
        return features


def is_picture(image: spaces.Space) -> bool:
    """Whether a view is a picture rather than symbols; UserError where it is neither."""
    side = SYMBOLS[0] * TILE
    known = {SYMBOLS: False, (3, side, side): True, (side, side, 3): True}
    if image.shape not in known or known[image.shape] != (image.high.max() > MAX_CODE):
        raise UserError(
            f"a FiLM-ed network on images {image.shape} of values to {image.high.max()}; expected "
            f"minigrid's symbolic view {SYMBOLS}, or its picture of {side} x {side} pixels: make "
            "worlds with envs.make_env or InstructedWorlds"
        )
    return known[image.shape]


def as_pictures(image_BHWC: Tensor) -> Tensor:
    """uint8 pictures as the stem reads them and SB3 hands them over: (B, 3, H, W), from 0 to 1."""
    return image_BHWC.permute(0, 3, 1, 2) / 255


@cache
def atlas_on(device: torch.device) -> TileAtlas:
    """What draws views, made once for each device."""
    return TileAtlas(device=device)


def _grid_stem(image: spaces.Space, channels: int) -> GridStemConfig:
    values = tuple(int(high) + 1 for high in image.high.max(axis=(0, 1)))
    return GridStemConfig(num_values=values, channels=channels)


def _pixel_stem(channels: int) -> PixelStemConfig:
    """Three halvings, from a tile's 8 pixels a side to one cell; no cell sees another's pixels."""
    return PixelStemConfig(channels=channels, num_layers=3, norm=False, kernel_size=2)
