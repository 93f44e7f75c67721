"""An actor-critic policy whose defaults suit the FiLM extractor."""

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import MultiInputActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from agents.babyai11 import BabyAIExtractor, unit_rows
from agents.extractor import FiLMExtractor


class FiLMPolicy(MultiInputActorCriticPolicy):
    """Linear policy and value heads on shared FiLM features: `PPO(FiLMPolicy, env)`, or `A2C`.

    Keyword arguments are those of SB3's policy. Its orthogonal initialisation (gain sqrt 2, and
    0.01 for the action logits) learns faster here than PyTorch's, and values that start from 0 far
    more surely than SB3's random ones (docs/architecture.md).
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        **kwargs: Any,
    ):
        extractor = kwargs.setdefault("features_extractor_class", FiLMExtractor)
        suits = getattr(extractor, "POLICY", {"net_arch": []})
        super().__init__(observation_space, action_space, lr_schedule, **{**suits, **kwargs})
        if isinstance(self.features_extractor, BabyAIExtractor):
            unit_rows(self)
        else:
            nn.init.zeros_(self.value_net.weight)

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, D) -> log-probabilities of the actions (B, A) and values (B,).

        What SB3's own forward computes, without asking the device whether the numbers are valid.
        """
        latent_pi, latent_vf = self.mlp_extractor(features)
        log_prob_BA = torch.log_softmax(self.action_net(latent_pi), dim=1)
        return log_prob_BA, self.value_net(latent_vf)[:, 0]
