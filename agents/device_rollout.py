"""A rollout as tensors on the device, with its advantages.

T steps, N worlds, L steps of a segment, B segments of a minibatch, A last actions, S size of the
memory's state.
"""

from typing import Literal, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor

from agents.policy import Thought
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
    """Some segments of a rollout, each field (L, B, ...); without memory a segment is a sample.

    `state` (B, S) is the memory's before the first step of each segment.
    """

    view: View
    state: Tensor
    start: Tensor
    action: Tensor
    old_log_prob: Tensor
    old_value: Tensor
    advantage: Tensor
    target: Tensor


class DeviceRollout:
    """T steps of N worlds: allocated once, filled by every rollout.

    Fields are (T, N, ...); row t holds what was seen before step t, what was done, and what came of
    it. `start`, whether a step is an episode's first, and `state`, the memory's before it, have one
    row more, for the step after the last. Arguments as of SB3's buffers, whose place this takes,
    and `rewards`: how they count.
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
        self.start = torch.ones(buffer_size + 1, n_envs, dtype=torch.bool, device=device)
        self.remember(0, segment=1)

    def remember(self, state_dim: int, segment: int) -> None:
        """Make room for a memory's state; minibatches are of whole segments of this many steps."""
        self.state = torch.zeros(*self.start.shape, state_dim, device=self.start.device)
        self.segment = segment

    def begin(self, start: Tensor) -> None:
        """Go on from the last rollout, in worlds of which some are at an episode's start."""
        self.state[0], self.start[0] = self.state[-1], start

    def act(
        self, step: int, view: View, action: Tensor, log_prob: Tensor, thought: Thought
    ) -> None:
        """What was seen before a step, and what the agent thought of it."""
        for field, part in zip(self.view, view, strict=True):
            field[step] = part
        self.action[step], self.log_prob[step], self.value[step] = action, log_prob, thought.value
        self.state[step + 1] = thought.state

    def outcome(self, step: int, outcome: Outcome) -> None:
        """What the worlds made of it."""
        for field, part in zip(self.final, outcome.final, strict=True):
            field[step] = part
        self.reward[step], self.length[step] = outcome.reward, outcome.length
        self.terminated[step], self.truncated[step] = outcome.terminated, outcome.truncated
        self.start[step + 1] = outcome.terminated | outcome.truncated

    def tensors(self) -> dict[str, Tensor]:
        """What was seen, done and paid, by name."""
        seen = {f"view_{name}": field for name, field in self.view._asdict().items()}
        names = ["action", "reward", "value", "log_prob", "terminated", "truncated", "advantage"]
        names += ["start", "state"] if self.state.shape[2] else []
        return seen | {name: getattr(self, name) for name in names}

    @property
    def over(self) -> Tensor:
        """Whether the step ended an episode: bool (T, N)."""
        return self.terminated | self.truncated

    def cut_short(self) -> tuple[Tensor, View, Tensor]:
        """Where time ran out before the task was done or failed; what was seen then, and the state.

        Nowhere, where that counts as an end like any other.

        Reading how many there are is the one time a rollout waits for the device.
        """
        cut = self.truncated & ~self.terminated
        rows = cut.flatten().nonzero()[:, 0]
        if self.rewards.time_limit == "end":
            rows = rows[:0]
        final = View(*(field.flatten(0, 1)[rows] for field in self.final))
        return rows, final, self.state[1:].flatten(0, 1)[rows]

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

    @property
    def num_segments(self) -> int:
        """How many segments there are to shuffle."""
        return self.num_steps // self.segment * self.num_envs

    def minibatch(self, segments: Tensor, advantage: Tensor) -> Minibatch:
        """Some segments, with `advantage` (T * N,) in place of the raw one.

        Segment k * N + n begins at step k L of world n; a step's row is t * N + n.
        """
        world_B = segments % self.num_envs
        first_B = (segments - world_B) * self.segment + world_B
        steps_L = torch.arange(self.segment, device=segments.device)
        rows_LB = first_B + steps_L[:, None] * self.num_envs

        def samples(field: Tensor) -> Tensor:
            picked = field.flatten(0, 1).index_select(0, rows_LB.flatten())
            return picked.unflatten(0, rows_LB.shape)

        return Minibatch(
            View(*map(samples, self.view)),
            self.state.flatten(0, 1).index_select(0, first_B),
            samples(self.start),
            samples(self.action),
            samples(self.log_prob),
            samples(self.value),
            advantage[rows_LB],
            samples(self.target),
        )
