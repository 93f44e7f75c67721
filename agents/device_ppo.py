"""PPO whose rollouts, advantages and minibatches never leave the device.

N worlds, L steps of a segment (1 without memory), B segments, S distinct sentences, A actions.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from agents.batch_norm import batch_norms, stand_still, statistics_taken_anew
from agents.batched_vec_env import BatchedVecEnv, as_given
from agents.device_rollout import DeviceRollout, Minibatch
from agents.extractor import InstructionExtractor
from agents.policy import FiLMPolicy
from envs.batched.facades import InstructedWorlds
from film_rl.film import FiLMParams
from film_rl.run import UserError

SENTENCES_AT_ONCE = 4096  # bounds the memory of reading a large bank's sentences
# Means over the minibatches of an update, in the order in which they lie in one tensor.
STATISTICS = ("entropy_loss", "policy_gradient_loss", "value_loss", "approx_kl", "clip_fraction")


class DevicePPO(PPO):
    """Stable-Baselines3's PPO on a `BatchedVecEnv`: same arguments, callbacks and logged names.

    Schulman et al. 2017 (arXiv:1707.06347). It differs from SB3's where that costs time or learns
    worse on thousands of worlds:

    * a sentence is read once a rollout and once a minibatch, not once a sample;
    * advantages are normalised over the rollout, not over each minibatch;
    * batch norms stand still during an update, and take their statistics over the rollout after it;
    * statistics come back once an update; `dones` and `rewards` in a callback's `locals` are
      fetched when they are looked at, and there are no `infos`. `target_kl` waits for every
      minibatch.

    Further arguments are those of SB3's PPO; `batch_size` counts steps also where these come in
    segments.

    Args:
        segment: steps through which a memory's gradient flows. Each segment of a minibatch begins
            with the state that the memory had then. None is all `n_steps`; without memory every
            step stands alone.

    Raises:
        UserError: the worlds are not a `BatchedVecEnv`, or the policy not a FiLM policy; segments
            divide a rollout or a minibatch with a remainder.
    """

    _last_episode_starts: np.ndarray

    def __init__(self, *args: Any, segment: int | None = None, **kwargs: Any):
        self.segment = segment
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        self.rollout_buffer_class = DeviceRollout
        super()._setup_model()
        self.before: dict[str, Tensor] = {}
        fits = isinstance(self.policy, FiLMPolicy)
        if not (fits and isinstance(self.policy.features_extractor, InstructionExtractor)):
            raise UserError(
                f"DevicePPO with {type(self.policy).__name__}; expected FiLMPolicy with its own "
                "InstructionExtractor: type DevicePPO(FiLMPolicy, worlds), or train with stock PPO"
            )
        if self.policy.memory:
            segment = self.segment or self.n_steps
            check_segment(segment, self.n_steps, self.batch_size, self.n_envs)
            self.rollout_buffer.remember(self.policy.state_dim, segment)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: DeviceRollout,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the rollout; False where a callback stopped it."""
        worlds = self._worlds(env)
        self.policy.set_training_mode(False)
        callback.on_rollout_start()
        rollout_buffer.begin(torch.as_tensor(self._last_episode_starts, device=self.device))
        with torch.no_grad():
            film_params = self._read_all(worlds.tokens)
            for step in range(n_rollout_steps):
                view = worlds.view
                state, start = rollout_buffer.state[step], rollout_buffer.start[step]
                thought = self.policy.think_now(view, film_params, view.sentence, state, start)
                action = sample(thought.log_prob)
                log_prob = thought.log_prob.gather(1, action[:, None])[:, 0]
                rollout_buffer.act(step, view, action, log_prob, thought)
                outcome = worlds.step(action)
                rollout_buffer.outcome(step, outcome)
                self.num_timesteps += env.num_envs
                rewards = OnDevice(outcome.reward)
                dones = OnDevice(outcome.terminated | outcome.truncated)
                callback.update_locals(locals())
                if not callback.on_step():
                    self._leave(rollout_buffer, step + 1)
                    return False
            rows, final, state = rollout_buffer.cut_short()
            start = torch.zeros_like(rows, dtype=torch.bool)
            cut = self.policy.think_now(final, film_params, final.sentence, state, start)
            view, state, start = worlds.view, rollout_buffer.state[-1], rollout_buffer.start[-1]
            last = self.policy.think_now(view, film_params, view.sentence, state, start)
            rollout_buffer.compute_advantages(last.value, rows, cut.value)
        self._leave(rollout_buffer, n_rollout_steps)
        self._count_episodes(rollout_buffer)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def train(self) -> None:
        """Update the policy on the rollout.

        Raises:
            FloatingPointError: a reward, a loss or a gradient was NaN or infinite; `before` has the
                parameters from before this update.
        """
        self.policy.set_training_mode(True)
        norms = batch_norms(self.policy)
        stand_still(norms)
        self._update_learning_rate(self.policy.optimizer)
        self.before = {name: part.clone() for name, part in self.policy.state_dict().items()}
        rollout = self.rollout_buffer
        advantage = rollout.advantage.flatten()
        if self.normalize_advantage:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        totals = torch.zeros(len(STATISTICS) + 1, device=self.device)
        minibatches, stopped = 0, False
        for _ in range(self.n_epochs):
            for segments in self._minibatches():
                loss, statistics = self._loss(rollout.minibatch(segments, advantage))
                stopped = self.target_kl is not None and statistics[3] > 1.5 * self.target_kl
                if stopped:
                    break
                self.policy.optimizer.zero_grad()
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
                self.policy.optimizer.step()
                totals += torch.stack([*statistics, norm])
                minibatches += 1
            self._n_updates += 1
            if stopped:
                break
        if norms:
            with torch.no_grad(), statistics_taken_anew(norms):
                for segments in self._minibatches():
                    self._loss(rollout.minibatch(segments, advantage))
        self._record(totals / max(minibatches, 1), loss.detach())

    def _minibatches(self) -> tuple[Tensor, ...]:
        """The rollout's segments in a random order, as many at once as fill a minibatch."""
        rollout = self.rollout_buffer
        order = torch.randperm(rollout.num_segments, device=self.device)
        return order.split(self.batch_size // rollout.segment)

    def _loss(self, batch: Minibatch) -> tuple[Tensor, list[Tensor]]:
        """PPO's loss of a minibatch, and its statistics in the order of `STATISTICS`."""
        film_params, sentence_LB = self._read_for(batch.view.sentence)
        thought = self.policy.think(batch.view, film_params, sentence_LB, batch.state, batch.start)
        log_prob_LBA, value = thought.log_prob, thought.value
        log_prob = log_prob_LBA.gather(2, batch.action[..., None])[..., 0]
        log_ratio = log_prob - batch.old_log_prob
        ratio = log_ratio.exp()
        clip_range = self.clip_range(self._current_progress_remaining)
        clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
        policy_loss = -torch.min(batch.advantage * ratio, batch.advantage * clipped).mean()
        if self.clip_range_vf is not None:
            most = self.clip_range_vf(self._current_progress_remaining)
            value = batch.old_value + (value - batch.old_value).clamp(-most, most)
        value_loss = F.mse_loss(value, batch.target)
        entropy_loss = (log_prob_LBA.exp() * log_prob_LBA).sum(2).mean()
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss
        with torch.no_grad():
            kl = (ratio - 1 - log_ratio).mean()  # Schulman's k3, as SB3 logs it
            outside = ((ratio - 1).abs() > clip_range).float().mean()
        means = [entropy_loss, policy_loss, value_loss, kl, outside]
        return loss, [mean.detach() for mean in means]

    def _read_all(self, tokens_ST: Tensor) -> FiLMParams:
        """gamma and beta of every sentence, which stay the same for a whole rollout."""
        read = self.policy.features_extractor.read
        chunks = [read(some) for some in tokens_ST.split(SENTENCES_AT_ONCE)]
        return [
            (torch.cat([gamma for gamma, _ in block]), torch.cat([beta for _, beta in block]))
            for block in zip(*chunks, strict=True)
        ]

    def _read_for(self, sentence_LB: Tensor) -> tuple[FiLMParams, Tensor]:
        """gamma and beta of sentences, read anew as the encoder learns too; each sample's sentence.

        Each sentence is read once; where there are more of them than samples, only the samples'.
        """
        read, tokens_ST = self.policy.features_extractor.read, self.env.worlds.tokens
        if len(tokens_ST) <= sentence_LB.numel():
            return read(tokens_ST), sentence_LB
        if self.device.type == "cpu":
            present, sentence_LB = sentence_LB.unique(return_inverse=True)
            return read(tokens_ST[present]), sentence_LB
        # There, to know how many are present is to wait.
        each = torch.arange(sentence_LB.numel(), device=self.device).view_as(sentence_LB)
        return read(tokens_ST[sentence_LB.flatten()]), each

    def _leave(self, rollout: DeviceRollout, steps: int) -> None:
        """The next rollout goes on from after this many steps of this one."""
        rollout.state[-1] = rollout.state[steps]
        self._last_episode_starts = rollout.start[steps].cpu().numpy()

    def _worlds(self, env: VecEnv) -> InstructedWorlds:
        """The worlds behind the face, where they are tensors on the same device."""
        env = as_given(env)
        if not isinstance(env, BatchedVecEnv):
            raise UserError(
                f"DevicePPO on a {type(env).__name__}; expected a BatchedVecEnv without wrappers: "
                "type BatchedVecEnv(InstructedWorlds(bank, num_envs))"
            )
        if env.worlds.device.type != self.device.type:
            raise UserError(
                f"the worlds are on {env.worlds.device}, the policy on {self.device}; make both "
                "with the same device"
            )
        return env.worlds

    def _count_episodes(self, rollout: DeviceRollout) -> None:
        """Fill SB3's windows over the last episodes."""
        number, last = rollout.last_episodes(self._stats_window_size)
        self._episode_num += number
        self.logger.record("rollout/episodes", self._episode_num)
        self.ep_info_buffer.extend({"r": r, "l": int(steps)} for r, steps, _ in last)
        self.ep_success_buffer.extend(bool(success) for *_, success in last)

    def _record(self, means: Tensor, loss: Tensor) -> None:
        """Read the update's statistics, all at once, and log them under SB3's names."""
        rollout = self.rollout_buffer
        spread = rollout.target.var(correction=0)
        explained = 1 - (rollout.target - rollout.value).var(correction=0) / spread
        *values, norm, loss_value, explained_value = torch.cat(
            [means, loss[None], explained[None]]
        ).tolist()
        if not np.isfinite([*values, norm, loss_value]).all():
            raise FloatingPointError("a reward, a loss or a gradient")
        for name, value in zip(STATISTICS, values, strict=True):
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/loss", loss_value)
        self.logger.record("train/explained_variance", explained_value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        progress = self._current_progress_remaining
        self.logger.record("train/clip_range", self.clip_range(progress))
        if self.clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", self.clip_range_vf(progress))

    def _excluded_save_params(self) -> list[str]:
        # Without them the zip is one of SB3's PPO.
        return [
            *super()._excluded_save_params(),
            "rollout_buffer_class",
            "rollout_buffer_kwargs",
            "before",
        ]


class OnDevice:
    """A tensor that becomes an array when somebody looks at it."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.tensor.cpu().numpy(), dtype)


def sample(log_prob_BA: Tensor) -> Tensor:
    """One action (B,) a row, by its probability: argmax of log p + Gumbel noise (Gumbel 1954)."""
    return (log_prob_BA - torch.empty_like(log_prob_BA).exponential_().log()).argmax(dim=1)


def check_segment(segment: int, rollout: int, batch_size: int, worlds: int) -> None:
    """Refuse segments that divide a rollout or a minibatch with a remainder, with a UserError."""
    if rollout % segment:
        raise UserError(
            f"--segment {segment} does not divide --rollout {rollout}; "
            f"type --segment {math.gcd(segment, rollout)}"
        )
    if batch_size % segment:
        segments = worlds * rollout // segment
        fitting = (n for n in range(1, 2 * batch_size // segment + 2) if segments % n == 0)
        near = segment * min(fitting, key=lambda n: abs(n * segment - batch_size))
        raise UserError(
            f"--batch-size {batch_size} is not a number of whole segments (--segment {segment}); "
            f"type --batch-size {near}"
        )
