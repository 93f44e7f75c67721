"""Training stops in the step in which a number stops being finite, before parameters change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.type_aliases import DictRolloutBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from agents.device_ppo import DevicePPO
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
def finite_guard(learner: PPO, crash_folder: Path) -> Iterator[None]:
    """Inside it a number that is not finite stops training, and what led to it is dumped.

    Stock PPO: every output of the policy and every gradient is checked before it is used.
    DevicePPO: it checks itself once an update, since each look waits for the device.

    Raises:
        NonFiniteError: action logits, a value or a gradient (hence the loss) is NaN or infinite.
    """
    if isinstance(learner, DevicePPO):
        try:
            yield
        except FloatingPointError as error:
            raise _non_finite(learner, crash_folder, str(error)) from None
        return

    def check_output(name: str) -> Callable[[object, object, Tensor], None]:
        def check(_module: object, _inputs: object, output: Tensor) -> None:
            if not output.isfinite().all():
                raise _non_finite(learner, crash_folder, name)

        return check

    def check_gradients(*_: object) -> None:
        for name, parameter in learner.policy.named_parameters():
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                raise _non_finite(learner, crash_folder, f"the gradient of {name}")

    policy = learner.policy
    hooks = [
        policy.action_net.register_forward_hook(check_output("an action's logit")),
        policy.value_net.register_forward_hook(check_output("the value")),
        policy.optimizer.register_step_pre_hook(check_gradients),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def check_rewards(learner: PPO, crash_folder: Path, rewards: np.ndarray) -> None:
    """Check what the worlds paid in one step of a rollout."""
    if not np.isfinite(rewards).all():
        raise _non_finite(learner, crash_folder, "a reward")


def check_parameters(learner: PPO, crash_folder: Path) -> None:
    """Check the parameters, so that no checkpoint holds one that is not finite."""
    for name, parameter in learner.policy.named_parameters():
        if not parameter.isfinite().all():
            raise _non_finite(learner, crash_folder, f"the parameter {name}")


def _non_finite(learner: PPO, crash_folder: Path, what: str) -> NonFiniteError:
    """Dump batch, parameters and generators in the checkpoint format; the error to raise."""
    state = {"what": what, "rng": rng_state(), **_evidence(learner)}
    dump = Checkpointer(crash_folder).save(learner.num_timesteps, state)
    return NonFiniteError(
        f"{what} is NaN or infinite at step {learner.num_timesteps:,}; training stopped before it "
        f"could spread. The batch is in {dump}; checkpoints saved before are untouched. "
        "Try a smaller --learning-rate"
    )


def _evidence(learner: PPO) -> dict[str, Any]:
    """What the number came from: the batch, and the parameters that met it."""
    buffer = learner.rollout_buffer
    if isinstance(learner, DevicePPO):
        return {"rollout": buffer.tensors(), "policy": learner.before}
    minibatch = buffer.last_minibatch
    return {
        "minibatch": minibatch._asdict() if minibatch else None,
        "observations": learner._last_obs,
        "policy": learner.policy.state_dict(),
    }
