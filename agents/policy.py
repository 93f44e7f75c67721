"""An actor-critic policy whose defaults suit the FiLM extractor; it may have a memory.

Shapes: T steps, B worlds, D features, A actions, S size of the memory's state, 0 without memory.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import MultiInputActorCriticPolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from agents.babyai11 import BabyAIExtractor, unit_rows
from agents.config import MemoryKind
from agents.extractor import FiLMExtractor
from agents.memory import Memory
from envs.batched.facades import View
from film_rl.film import FiLMParams
from film_rl.run import UserError
from film_rl.run.device import autocast

Arrays = tuple[np.ndarray, ...]


class Thought(NamedTuple):
    """What an agent makes of what it sees.

    Attributes:
        log_prob: log-probabilities (T, B, A) of the actions; (B, A) of a single step.
        value: discounted reward to come (T, B); (B,) of a single step.
        state: of the memory after the last step (B, S).
    """

    log_prob: Tensor
    value: Tensor
    state: Tensor


class FiLMPolicy(MultiInputActorCriticPolicy):
    """Linear policy and value heads on shared FiLM features: `PPO(FiLMPolicy, env)`, or `A2C`.

    Further keyword arguments are those of SB3's policy. Its orthogonal initialisation (gain sqrt 2,
    and 0.01 for the action logits) learns faster here than PyTorch's, and values that start from 0
    far more surely than SB3's random ones (docs/architecture.md).

    Args:
        observation_space, action_space, lr_schedule: as of SB3's policy.
        memory: "gru" or "lstm" puts an `agents.memory.Memory` between features and heads. Steps
            must then be read in their order, which `DevicePPO` does and stock PPO does not.
        memory_dim: size of what comes out of it.

    Attributes:
        memory: None without one.

    Raises:
        UserError: SB3 asks a policy with memory about samples without their past.
    """

    memory: Memory | None
    features_dim: int

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        memory: MemoryKind = "none",
        memory_dim: int = 128,
        **kwargs: Any,
    ):
        self._memory_kind, self._memory_dim = memory, memory_dim
        extractor = kwargs.setdefault("features_extractor_class", FiLMExtractor)
        suits = getattr(extractor, "POLICY", {"net_arch": []})
        if memory != "none" and extractor is FiLMExtractor:
            options = kwargs.get("features_extractor_kwargs") or {}
            kwargs["features_extractor_kwargs"] = {"normalize": True, **options}
        super().__init__(observation_space, action_space, lr_schedule, **{**suits, **kwargs})
        self._check_attention()
        if isinstance(self.features_extractor, BabyAIExtractor):
            unit_rows(self)
        else:
            nn.init.zeros_(self.value_net.weight)

    @property
    def state_dim(self) -> int:
        """S, the size of the memory's state; 0 without memory."""
        return self.memory.state_dim if self.memory else 0

    def think(
        self,
        view: View,
        film_params: FiLMParams,
        sentence_TB: Tensor,
        state_BS: Tensor,
        start_TB: Tensor,
    ) -> Thought:
        """What the agent makes of T steps of B worlds.

        Args:
            view: what is seen; fields (T, B, ...).
            film_params: gamma and beta of some sentences.
            sentence_TB: which of them each step is told.
            state_BS: of the memory before the first of the steps.
            start_TB: bool, whether a step is its episode's first.
        """
        last = view.last_actions.long() if view.last_actions.shape[2] else None
        seen = (view.image.long(), last)
        return self._think(seen, film_params, sentence_TB, state_BS, start_TB)

    def think_now(
        self,
        view: View,
        film_params: FiLMParams,
        sentence_B: Tensor,
        state_BS: Tensor,
        start_B: Tensor,
    ) -> Thought:
        """`think` of a single step, without the axis of time."""
        step = View(*(field[None] for field in view))
        return _single(self.think(step, film_params, sentence_B[None], state_BS, start_B[None]))

    def look(self, observations: dict[str, Tensor], state_BS: Tensor, start_B: Tensor) -> Thought:
        """What the agent makes of a single step, given SB3's observations."""
        extractor, space = self.features_extractor, self.observation_space
        observations = preprocess_obs(observations, space, self.normalize_images)
        image, last = extractor.seen(observations)
        film_params, sentence_B = extractor.condition(observations["instruction"].long())
        seen = (image[None], None if last is None else last[None])
        return _single(self._think(seen, film_params, sentence_B[None], state_BS, start_B[None]))

    def _think(
        self,
        seen: tuple[Tensor, Tensor | None],
        film_params: FiLMParams,
        sentence_TB: Tensor,
        state_BS: Tensor,
        start_TB: Tensor,
    ) -> Thought:
        """`think` of views and last actions (T, B, ...), as the extractor takes them."""
        extractor = self.features_extractor
        if not extractor.attends_to:  # then all steps are seen at once
            image, last = (None if part is None else part.flatten(0, 1) for part in seen)
            features = extractor.features(image, film_params, sentence_TB.flatten(), last)
            return self.judge(features.unflatten(0, sentence_TB.shape), state_BS, start_TB)
        thoughts = []
        for step, start_B in enumerate(start_TB):
            state_BS = state_BS.where(~start_B[:, None], 0)
            film_now, row_B = extractor.attend(film_params, sentence_TB[step], state_BS)
            image, last = (None if part is None else part[step] for part in seen)
            features = extractor.features(image, film_now, row_B, last)
            thoughts.append(self.judge(features[None], state_BS, start_B[None]))
            state_BS = thoughts[-1].state
        log_prob, value, _ = zip(*thoughts, strict=True)
        return Thought(torch.cat(log_prob), torch.cat(value), state_BS)

    def remember(
        self, features_TBD: Tensor, state_BS: Tensor, start_TB: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The features with what is remembered, and the memory's state; as they are without one."""
        if self.memory is None:
            return features_TBD, state_BS
        with autocast(features_TBD.device, self.features_extractor.precision):
            out_TBD, state_BS = self.memory(features_TBD, state_BS, start_TB)
        return out_TBD, state_BS

    def fresh(self, worlds: int) -> Tensor:
        """The state (B, S) of a memory that remembers nothing."""
        return torch.zeros(worlds, self.state_dim, device=self.device)

    def recall(self, state: Arrays | None, worlds: int) -> Tensor:
        """The state (B, S) that `predict` returned as arrays; None remembers nothing."""
        if state is None:
            return self.fresh(worlds)
        return torch.cat([torch.as_tensor(part, device=self.device)[0] for part in state], dim=1)

    def judge(self, features_TBD: Tensor, state_BS: Tensor, start_TB: Tensor) -> Thought:
        """What the agent makes of the extractor's features of T steps; see `think`."""
        out_TBD, state_BS = self.remember(features_TBD, state_BS, start_TB)
        log_prob_TBA, value_TB = self.heads(out_TBD)
        return Thought(log_prob_TBA, value_TB, state_BS)

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (..., D) -> log-probabilities of the actions (..., A) and values (...).

        What SB3's own forward computes, without asking the device whether the numbers are valid.
        """
        latent_pi, latent_vf = self.mlp_extractor(features)
        log_prob = torch.log_softmax(self.action_net(latent_pi), dim=-1)
        return log_prob, self.value_net(latent_vf)[..., 0]

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: Arrays | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Arrays | None]:
        """Actions, and the memory's state for the next call, as of sb3-contrib's `RecurrentPPO`.

        Args:
            observation: of one world or of several.
            state: what the call before returned, arrays (1, worlds, H): h of a GRU, h and c of an
                LSTM; None where nothing is remembered yet. Without memory it comes back as it is.
            episode_start: bool (worlds,), whether an episode begins; none does where not given.
            deterministic: the likeliest action instead of a sampled one.
        """
        if self.memory is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.set_training_mode(False)
        seen, several = self.obs_to_tensor(observation)
        worlds = len(seen["image"])
        start = np.zeros(worlds, bool) if episode_start is None else np.asarray(episode_start, bool)
        start_B = torch.from_numpy(start).to(self.device)
        with torch.no_grad():
            thought = self.look(seen, self.recall(state, worlds), start_B)
        likeliest = thought.log_prob.argmax(dim=1)
        action_B = likeliest if deterministic else thought.log_prob.exp().multinomial(1)[:, 0]
        after = thought.state.cpu().split(self.memory.dim, dim=1)
        action = action_B.cpu().numpy()
        return action if several else action[0], tuple(part.numpy()[None] for part in after)

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """As of SB3, which asks about samples that way."""
        if self.memory is not None:
            raise UserError(
                "a FiLMPolicy with memory reads steps in their order, with a state: train it with "
                "DevicePPO on a BatchedVecEnv, and call policy.think, policy.look or "
                "policy.predict; for another algorithm type memory='none'"
            )
        return super().extract_features(obs, features_extractor)

    def _build_mlp_extractor(self) -> None:
        self.memory = None
        if self._memory_kind != "none":
            self.memory = Memory(self._memory_kind, self.features_dim, self._memory_dim)
            self.features_dim = self.memory.dim  # what SB3 builds the heads for
        super()._build_mlp_extractor()

    def _check_attention(self) -> None:
        attends_to = getattr(self.features_extractor, "attends_to", 0)
        if attends_to and attends_to != self.state_dim:
            raise UserError(
                f"the extractor's attends_to is {attends_to}, and the memory's state has size "
                f"{self.state_dim}; type attends_to={self.state_dim}, which is the size of a GRU's "
                "output or twice that of an LSTM's"
            )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        memory = {"memory": self._memory_kind, "memory_dim": self._memory_dim}
        return super()._get_constructor_parameters() | memory


def _single(thought: Thought) -> Thought:
    return Thought(thought.log_prob[0], thought.value[0], thought.state)
