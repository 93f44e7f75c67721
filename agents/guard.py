"""Training stops in the step in which a number stops being finite, before parameters change."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.type_aliases import DictRolloutBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from film_rl.run import Checkpointer, NonFiniteError, rng_state


class RememberingRolloutBuffer(DictRolloutBuffer):
    """SB3's buffer, which also keeps the minibatch it handed out last, for the crash dump."""

    last_minibatch: DictRolloutBufferSamples | None = None

    def _get_samples(
        self, batch_inds: np.ndarray, env: VecNormalize | None = None
    ) -> DictRolloutBufferSamples:
        self.last_minibatch = super()._get_samples(batch_inds, env)
        return self.last_minibatch


@contextmanager
def gradient_guard(learner: PPO, crash_folder: Path) -> Iterator[None]:
    """Inside it every gradient is checked before the optimiser uses it.

    Raises:
        NonFiniteError: a gradient, hence the loss, is NaN or infinite.
    """

    def check(*_: object) -> None:
        for name, parameter in learner.policy.named_parameters():
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                raise _non_finite(learner, crash_folder, f"the gradient of {name}")

    hook = learner.policy.optimizer.register_step_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()


def check_rollout_step(learner: PPO, crash_folder: Path, locals_: dict[str, Any]) -> None:
    """Check what the policy and the worlds gave in one step of a rollout."""
    for name in ("values", "log_probs", "rewards"):
        if not torch.as_tensor(locals_[name]).isfinite().all():
            raise _non_finite(learner, crash_folder, f"{name} in the rollout")


def check_parameters(learner: PPO, crash_folder: Path) -> None:
    """Check the parameters, so that no checkpoint holds one that is not finite."""
    for name, parameter in learner.policy.named_parameters():
        if not parameter.isfinite().all():
            raise _non_finite(learner, crash_folder, f"the parameter {name}")


def _non_finite(learner: PPO, crash_folder: Path, what: str) -> NonFiniteError:
    """Dump batch, parameters and generators in the checkpoint format; the error to raise."""
    buffer = learner.rollout_buffer
    minibatch = buffer.last_minibatch
    state = {
        "what": what,
        "minibatch": minibatch._asdict() if minibatch else None,
        "observations": learner._last_obs,
        "policy": learner.policy.state_dict(),
        "rng": rng_state(),
    }
    dump = Checkpointer(crash_folder).save(learner.num_timesteps, state)
    return NonFiniteError(
        f"{what} is NaN or infinite at step {learner.num_timesteps:,}; training stopped before it "
        f"could spread. The batch is in {dump}, the last good checkpoint is untouched. "
        "Try a smaller --learning-rate"
    )
