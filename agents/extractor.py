"""The FiLM-ed CNN as a features extractor for any Stable-Baselines3 algorithm.

Shape suffixes: B samples, S distinct sentences, T words, W H K the view's x, y and channels,
C feature maps, A last actions.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from envs.observation import MAX_CODE
from film_rl import FiLMedNetwork
from film_rl.film import FiLMParams
from film_rl.network import Conditioning, GridStemConfig, NetworkConfig, SentenceConfig
from film_rl.run import UserError
from film_rl.run.device import autocast

SQUEEZED_CHANNELS = 16


class FiLMExtractor(BaseFeaturesExtractor):
    """View, instruction and last actions -> features, by FiLM-ed residual blocks and one layer.

    The stem and the first block work per cell (1x1) so that FiLM can pick out the named object
    before anything is mixed; no batch statistics, so rollout and update see the same network; the
    head is flat rather than pooled, since where the object stands is what the agent needs.
    `direction` is not used, as in BabyAI's own models.

    Args:
        observation_space: what `envs.make_env` gives: image, instruction and perhaps last_actions.
        channels: feature maps C.
        blocks: FiLM-ed residual blocks.
        sentence_dim: size of the word embedding and of the GRU.
        conditioning: film, bias, scale, gate, concat, gated_attention or none
            (`film_rl.NetworkConfig`).
        features_dim: size of the features.
        precision: bfloat16 runs the network under autocast; features are float32 either way.

    Attributes:
        reader: makes gamma and beta of sentences (S, T) in the place of the network's own reading,
            where it is set: for experiments with what the agent is told.

    Raises:
        UserError: the images are pixels.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        *,
        channels: int = 32,
        blocks: int = 2,
        sentence_dim: int = 64,
        conditioning: Conditioning = "film",
        features_dim: int = 128,
        precision: torch.dtype = torch.float32,
    ):
        if blocks < 1:
            raise ValueError(f"blocks={blocks}; expected at least one FiLM-ed block")
        super().__init__(observation_space, features_dim)
        self.precision = precision
        self.reader: Callable[[Tensor], FiLMParams] | None = None
        image, instruction = observation_space["image"], observation_space["instruction"]
        if image.high.max() > MAX_CODE:
            raise UserError(
                f"FiLMExtractor on images {image.shape} of values to {image.high.max()}; expected "
                "minigrid's symbolic view: type InstructedWorlds(..., pixels=False), or give "
                "pixels to SB3's MultiInputPolicy"
            )
        self.network = FiLMedNetwork(
            NetworkConfig(
                stem=GridStemConfig(
                    num_values=tuple(int(high) + 1 for high in image.high.max(axis=(0, 1))),
                    channels=channels,
                ),
                sentence=SentenceConfig(
                    vocab_size=int(instruction.high.max()) + 1,
                    embedding_dim=sentence_dim,
                    hidden_dim=sentence_dim,
                ),
                conditioning=conditioning,
                channels=channels,
                kernel_sizes=(1, *[3] * (blocks - 1)),
                norm="none",
                coords=False,
            )
        )
        width, height, _ = image.shape
        actions = observation_space.spaces.get("last_actions")
        self.num_actions = int(actions.high.max()) + 1 if actions else 0
        actions_dim = self.num_actions * actions.shape[0] if actions else 0
        self.squeeze = nn.Linear(channels, SQUEEZED_CHANNELS)
        self.head = nn.Linear(SQUEEZED_CHANNELS * width * height + actions_dim, features_dim)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Observations as SB3 hands them over (float tensors) -> features (B, features_dim)."""
        film_params, sentence_B = self.condition(observations["instruction"].long())
        last_BA = observations["last_actions"].long() if self.num_actions else None
        return self.features(observations["image"].long(), film_params, sentence_B, last_BA)

    def features(
        self,
        codes_BWHK: Tensor,
        film_params: FiLMParams,
        sentence_B: Tensor,
        last_BA: Tensor | None,
    ) -> Tensor:
        """Codes, FiLM of S sentences, each sample's sentence, last actions -> (B, features_dim)."""
        with autocast(codes_BWHK.device, self.precision):
            x_BCHW = self.network.modulate_cells(codes_BWHK, film_params, sentence_B)
            features = self.flat(x_BCHW, last_BA)
        return features.float()

    def flat(self, x_BCHW: Tensor, last_BA: Tensor | None) -> Tensor:
        """The blocks' features and the last actions through one layer, (B, features_dim)."""
        # Not a plain ReLU: blocks end positive, so one shift of these few channels could
        # silence them for good, and with them all the agent sees (it did, in one run of three).
        x_BHWC = F.leaky_relu(self.squeeze(x_BCHW.permute(0, 2, 3, 1)), 0.1)
        parts = [x_BHWC.flatten(1)]
        if last_BA is not None:
            parts.append(F.one_hot(last_BA, self.num_actions).flatten(1).to(x_BHWC.dtype))
        return F.relu(self.head(torch.cat(parts, dim=1)))

    def condition(self, tokens_BT: Tensor) -> tuple[FiLMParams, Tensor]:
        """gamma and beta of each block for each distinct sentence, and each sample's sentence."""
        longest = int((tokens_BT != 0).sum(1).max())
        tokens_ST, sentence_B = torch.unique(
            tokens_BT[:, : max(longest, 1)], dim=0, return_inverse=True
        )
        return self.read(tokens_ST), sentence_B

    def read(self, tokens_ST: Tensor) -> FiLMParams:
        """gamma and beta of each block for each sentence."""
        with autocast(tokens_ST.device, self.precision):
            return (self.reader or self.network.condition)(tokens_ST)
