"""A rollout as tensors on the device, with its advantages.

T steps, N worlds, B samples of a minibatch, A last actions.
"""

from typing import Literal, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor

from envs.batched.facades import Outcome, View
from envs.observation import SYMBOLS


class Rewards(NamedTuple):
    """How rewards count.

    Attributes:
        scale: what they are multiplied by before anything is learned from them.
        time_limit: whether an episode out of time is worth its last view's value, or ends there.
    """

    scale: float = 1.0
    time_limit: Literal["bootstrap", "end"] = "bootstrap"


class Minibatch(NamedTuple):
    """Some samples of a rollout, each field (B, ...)."""

    view: View
    action: Tensor
    old_log_prob: Tensor
    old_value: Tensor
    advantage: Tensor
    target: Tensor


class DeviceRollout:
    """T steps of N worlds: allocated once, filled by every rollout.

    Fields are (T, N, ...); row t holds what was seen before step t, what was done, and what came of
    it. Arguments as of SB3's buffers, whose place this takes, and `rewards`: how they count.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        device: str | torch.device = "cpu",
        gae_lambda: float = 1,
        gamma: float = 0.99,
        n_envs: int = 1,
        rewards: Rewards = Rewards(),  # noqa: B008
    ):
        self.num_steps, self.num_envs = buffer_size, n_envs
        self.gamma, self.gae_lambda = gamma, gae_lambda
        self.rewards = rewards
        last = observation_space.spaces.get("last_actions")
        num_last = last.shape[0] if last else 0

        def field(dtype: torch.dtype, *shape: int) -> Tensor:
            return torch.zeros(buffer_size, n_envs, *shape, dtype=dtype, device=device)

        def view() -> View:
            image = field(torch.uint8, *SYMBOLS)
            return View(image, field(torch.int64), field(torch.uint8, num_last))

        self.view, self.final = view(), view()
        self.action, self.length = field(torch.int64), field(torch.int64)
        self.reward, self.value, self.log_prob = (field(torch.float32) for _ in range(3))
        self.advantage, self.target = field(torch.float32), field(torch.float32)
        self.terminated, self.truncated = field(torch.bool), field(torch.bool)

    def act(self, step: int, view: View, action: Tensor, log_prob: Tensor, value: Tensor) -> None:
        """What was seen before a step, and what the agent thought of it."""
        for field, part in zip(self.view, view, strict=True):
            field[step] = part
        self.action[step], self.log_prob[step], self.value[step] = action, log_prob, value

    def outcome(self, step: int, outcome: Outcome) -> None:
        """What the worlds made of it."""
        for field, part in zip(self.final, outcome.final, strict=True):
            field[step] = part
        self.reward[step], self.length[step] = outcome.reward, outcome.length
        self.terminated[step], self.truncated[step] = outcome.terminated, outcome.truncated

    def tensors(self) -> dict[str, Tensor]:
        """What was seen, done and paid, by name."""
        seen = {f"view_{name}": field for name, field in self.view._asdict().items()}
        names = ("action", "reward", "value", "log_prob", "terminated", "truncated", "advantage")
        return seen | {name: getattr(self, name) for name in names}

    @property
    def over(self) -> Tensor:
        """Whether the step ended an episode: bool (T, N)."""
        return self.terminated | self.truncated

    def cut_short(self) -> tuple[Tensor, View]:
        """Where time ran out before the task was done or failed, and what was seen then.

        Nowhere, where that counts as an end like any other.

        Reading how many there are is the one time a rollout waits for the device.
        """
        cut = self.truncated & ~self.terminated
        rows = cut.flatten().nonzero()[:, 0]
        if self.rewards.time_limit == "end":
            rows = rows[:0]
        return rows, View(*(field.flatten(0, 1)[rows] for field in self.final))

    def compute_advantages(self, last_value: Tensor, rows: Tensor, final_value: Tensor) -> None:
        """Generalised advantage estimation, over all worlds at once.

        delta_t = r_t + gamma V(s_t+1) - V(s_t) and A_t = delta_t + gamma lambda A_t+1, where an
        episode's end cuts both; an episode that ran out of time is worth gamma V(its last
        observation) more. Schulman et al. 2016 (arXiv:1506.02438), equation 16; the bootstrap is
        SB3's. The value's target is A_t + V(s_t).

        Args:
            last_value: value (N,) of what is seen after the last step.
            rows: which steps ran out of time, as of `cut_short`.
            final_value: value of what was seen then.
        """
        scaled = self.reward.flatten() * self.rewards.scale
        reward = scaled.index_add(0, rows, self.gamma * final_value)
        reward_TN = reward.view_as(self.reward)
        goes_on_TN = (~self.over).to(self.reward.dtype)
        next_TN = torch.cat([self.value[1:], last_value[None]])
        delta_TN = reward_TN + self.gamma * next_TN * goes_on_TN - self.value
        advantage = torch.zeros_like(last_value)
        for step in reversed(range(self.num_steps)):
            decay = self.gamma * self.gae_lambda * goes_on_TN[step]
            advantage = delta_TN[step] + decay * advantage
            self.advantage[step] = advantage
        torch.add(self.advantage, self.value, out=self.target)

    def last_episodes(self, most: int) -> tuple[int, list[list[float]]]:
        """How many episodes ended, and (return, steps, success) of the last of them, oldest first.

        BabyAI pays at an episode's end only, so its last reward is its return.
        """
        rows = self.over.flatten().nonzero()[:, 0]
        last = rows[-most:]
        reward, length = (field.flatten()[last] for field in (self.reward, self.length))
        return len(rows), torch.stack([reward, length, reward > 0], dim=1).tolist()

    def minibatch(self, rows: Tensor, advantage: Tensor) -> Minibatch:
        """Samples t * N + n, with `advantage` (T * N,) in place of the raw one."""

        def samples(field: Tensor) -> Tensor:
            return field.flatten(0, 1).index_select(0, rows)

        return Minibatch(
            View(*map(samples, self.view)),
            samples(self.action),
            samples(self.log_prob),
            samples(self.value),
            advantage.index_select(0, rows),
            samples(self.target),
        )
