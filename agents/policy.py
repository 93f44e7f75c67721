"""An actor-critic policy whose defaults suit the FiLM extractor."""

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import MultiInputActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule

from agents.extractor import FiLMExtractor


class FiLMPolicy(MultiInputActorCriticPolicy):
    """Linear policy and value heads on shared FiLM features: `PPO(FiLMPolicy, env)`, or `A2C`.

    Keyword arguments are those of SB3's policy. Its orthogonal initialisation (gain sqrt 2, and
    0.01 for the action logits) learns faster here than PyTorch's (docs/architecture.md).
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        **kwargs: Any,
    ):
        kwargs.setdefault("features_extractor_class", FiLMExtractor)
        kwargs.setdefault("net_arch", [])
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)
