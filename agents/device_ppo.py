"""PPO whose rollouts, advantages and minibatches never leave the device.

N worlds, B samples, S distinct sentences, A actions.
"""

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
from envs.batched.facades import InstructedWorlds, View
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

    Raises:
        UserError: the worlds are not a `BatchedVecEnv`, or the policy not a FiLM policy.
    """

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
        with torch.no_grad():
            film_params = self._read_all(worlds.tokens)
            for step in range(n_rollout_steps):
                view = worlds.view
                log_prob_NA, value = self._think(view, film_params, view.sentence)
                action = sample(log_prob_NA)
                log_prob = log_prob_NA.gather(1, action[:, None])[:, 0]
                rollout_buffer.act(step, view, action, log_prob, value)
                outcome = worlds.step(action)
                rollout_buffer.outcome(step, outcome)
                self.num_timesteps += env.num_envs
                rewards = OnDevice(outcome.reward)
                dones = OnDevice(outcome.terminated | outcome.truncated)
                callback.update_locals(locals())
                if not callback.on_step():
                    return False
            rows, final = rollout_buffer.cut_short()
            final_value = self._think(final, film_params, final.sentence)[1]
            last_value = self._think(worlds.view, film_params, worlds.view.sentence)[1]
            rollout_buffer.compute_advantages(last_value, rows, final_value)
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
            order = torch.randperm(len(advantage), device=self.device)
            for rows in order.split(self.batch_size):
                loss, statistics = self._loss(rollout.minibatch(rows, advantage))
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
                for rows in torch.randperm(len(advantage), device=self.device).split(
                    self.batch_size
                ):
                    self._loss(rollout.minibatch(rows, advantage))
        self._record(totals / max(minibatches, 1), loss.detach())

    def _loss(self, batch: Minibatch) -> tuple[Tensor, list[Tensor]]:
        """PPO's loss of a minibatch, and its statistics in the order of `STATISTICS`."""
        log_prob_BA, value = self._think(batch.view, *self._read_for(batch.view.sentence))
        log_prob = log_prob_BA.gather(1, batch.action[:, None])[:, 0]
        log_ratio = log_prob - batch.old_log_prob
        ratio = log_ratio.exp()
        clip_range = self.clip_range(self._current_progress_remaining)
        clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
        policy_loss = -torch.min(batch.advantage * ratio, batch.advantage * clipped).mean()
        if self.clip_range_vf is not None:
            most = self.clip_range_vf(self._current_progress_remaining)
            value = batch.old_value + (value - batch.old_value).clamp(-most, most)
        value_loss = F.mse_loss(value, batch.target)
        entropy_loss = (log_prob_BA.exp() * log_prob_BA).sum(1).mean()
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss
        with torch.no_grad():
            kl = (ratio - 1 - log_ratio).mean()  # Schulman's k3, as SB3 logs it
            outside = ((ratio - 1).abs() > clip_range).float().mean()
        means = [entropy_loss, policy_loss, value_loss, kl, outside]
        return loss, [mean.detach() for mean in means]

    def _think(
        self, view: View, film_params: FiLMParams, sentence_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B, A) of the actions and values (B,), given the sentences' FiLM."""
        extractor = self.policy.features_extractor
        last = view.last_actions.long() if view.last_actions.shape[1] else None
        features = extractor.features(view.image.long(), film_params, sentence_B, last)
        return self.policy.heads(features)

    def _read_all(self, tokens_ST: Tensor) -> FiLMParams:
        """gamma and beta of every sentence, which stay the same for a whole rollout."""
        read = self.policy.features_extractor.read
        chunks = [read(some) for some in tokens_ST.split(SENTENCES_AT_ONCE)]
        return [
            (torch.cat([gamma for gamma, _ in block]), torch.cat([beta for _, beta in block]))
            for block in zip(*chunks, strict=True)
        ]

    def _read_for(self, sentence_B: Tensor) -> tuple[FiLMParams, Tensor]:
        """gamma and beta of sentences, read anew as the encoder learns too; each sample's sentence.

        Each sentence is read once; where there are more of them than samples, only the samples'.
        """
        read, tokens_ST = self.policy.features_extractor.read, self.env.worlds.tokens
        if len(tokens_ST) <= len(sentence_B):
            return read(tokens_ST), sentence_B
        if self.device.type == "cpu":
            present, sentence_B = sentence_B.unique(return_inverse=True)
        else:  # there, to know how many are present is to wait
            present, sentence_B = sentence_B, torch.arange(len(sentence_B), device=self.device)
        return read(tokens_ST[present]), sentence_B

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
