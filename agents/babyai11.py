"""BabyAI 1.1's network as a features extractor, with its first weights.

Shapes: B samples, S distinct sentences, C feature maps, H W the view's height and width.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

from agents.extractor import InstructionExtractor, as_pictures, atlas_on
from film_rl.babyai import BabyAINetwork
from film_rl.film import FiLMParams, take
from film_rl.network import SentenceConfig
from film_rl.run import UserError

WORDS = 100  # rows of the published embedding, padding included; the language has 32 words


class BabyAIExtractor(InstructionExtractor):
    """`BabyAINetwork` and the largest value of each feature map: `bow_endpool_res`, as published.

    Of a picture `pixels_endpool_res`. Two hidden layers of 64 tanh units, one for the policy and
    one for the value, belong to it (`POLICY`), and weights that begin as `unit_rows` says.

    **Batch norm.** The published code normalises by the statistics of the batch at hand: of 64
    worlds while it collects, of 64 other samples while it learns. So what an agent does depends on
    its neighbours, PPO's ratio is not 1 where it should be, and evaluation (by running means) sees
    a third network. `DevicePPO` does otherwise: the statistics stand still while a rollout is
    collected and learned from, and are taken anew over that rollout after each update
    (`agents/batch_norm.py`). Then the first ratio is 1, evaluation plays the policy that was
    trained, and a resumed run is exact. The gradient does not see the statistics, the price of it.
    Other learners find ordinary batch norm: supervised ones train as published; stock PPO would
    collect by running means and learn by a batch's, which it should not.

    Args:
        observation_space, precision, attends_to: as of `InstructionExtractor`; the big model's
            memory attends, by a key without a softmax's usual divisor, as published.
        channels: feature maps C; 128 as published.
        sentence_dim: size of the word embedding and of the GRU.

    Raises:
        UserError: the observations have last actions, which this network does not read.
    """

    POLICY: ClassVar[dict[str, Any]] = {
        "net_arch": {"pi": [64], "vf": [64]},
        "activation_fn": nn.Tanh,
        "ortho_init": False,
    }

    def __init__(
        self,
        observation_space: spaces.Dict,
        *,
        channels: int = 128,
        sentence_dim: int = 128,
        precision: torch.dtype = torch.float32,
        attends_to: int = 0,
    ):
        super().__init__(observation_space, channels, precision, attends_to)
        if self.num_actions:
            raise UserError(
                "BabyAI 1.1's network is not shown its last actions; type --last-actions 0, or "
                "make the worlds with last_actions=0"
            )
        sentence = SentenceConfig(
            WORDS,
            sentence_dim,
            sentence_dim,
            bidirectional=attends_to > 0,
            asker_dim=attends_to,
        )
        self.network = BabyAINetwork(sentence, channels, self.pixels)

    def flat(self, x_BCHW: Tensor, last_BA: Tensor | None) -> Tensor:
        """relu(the maximum of each feature map), (B, C)."""
        return F.relu(F.max_pool2d(x_BCHW, x_BCHW.shape[2:]).flatten(1))

    def _maps(self, image: Tensor, film_params: FiLMParams, sentence_B: Tensor) -> Tensor:
        if self.pixels and not image.is_floating_point():
            image = as_pictures(atlas_on(image.device).render(image.byte()))
        return self.network.modulate(image, take(film_params, sentence_B))


@torch.no_grad()
def unit_rows(module: nn.Module) -> None:
    """Every linear layer anew: rows drawn from N(0, 1) and divided by their length; biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.normal_()
            layer.weight /= layer.weight.norm(dim=1, keepdim=True)
            layer.bias.zero_()
