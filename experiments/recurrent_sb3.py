"""sb3-contrib's RecurrentPPO with the network and the settings of a learner of ours."""

from typing import TYPE_CHECKING

from agents.config import AgentConfig

if TYPE_CHECKING:
    from sb3_contrib import RecurrentPPO

    from agents.device_ppo import DevicePPO


def recurrent_ppo(config: AgentConfig, ours: "DevicePPO") -> "RecurrentPPO":
    """One on minigrid's worlds, like `ours` of this configuration, whose memory is an LSTM.

    Actor and critic share the LSTM, as ours do; the critic's gradient does not reach it there.
    """
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from agents.extractor import FiLMExtractor
    from agents.task import Task

    return RecurrentPPO(
        "MultiInputLstmPolicy",
        VecMonitor(DummyVecEnv([Task.of_config(config).make] * config.envs)),
        learning_rate=ours.learning_rate,
        n_steps=ours.n_steps,
        batch_size=ours.batch_size,
        n_epochs=ours.n_epochs,
        gamma=ours.gamma,
        gae_lambda=ours.gae_lambda,
        ent_coef=ours.ent_coef,
        vf_coef=ours.vf_coef,
        policy_kwargs={
            "features_extractor_class": FiLMExtractor,
            "features_extractor_kwargs": ours.policy.features_extractor_kwargs,
            "optimizer_kwargs": ours.policy_kwargs["optimizer_kwargs"],
            "lstm_hidden_size": config.memory_dim,
            "shared_lstm": True,
            "enable_critic_lstm": False,
            "net_arch": [],
        },
        seed=config.seed,
        device=ours.device,
    )
