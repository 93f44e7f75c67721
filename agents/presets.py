"""Whole configurations to start from: ours, and BabyAI 1.1's small and big models as published.

Each is a function that gives an `AgentConfig` without a task; `babyai_ppo.py --preset NAME` makes
one the default of every other option.
"""

from dataclasses import replace

from agents.config import AgentConfig


def ours() -> AgentConfig:
    """The defaults: a small network without memory, trained on hundreds of worlds at once."""
    return AgentConfig()


def babyai11_small() -> AgentConfig:
    """BabyAI 1.1's small model, 1.27 million parameters, and the PPO it was trained with.

    Hui et al. 2020 (arXiv:2007.12770) and the published code: 64 worlds, 40 steps of each, 8
    minibatches of 64 segments an update. Not as published: batch norm's statistics (see
    `agents.babyai11`), and a clipped value is SB3's, whose gradient is 0 out of bounds, where the
    published loss is the larger one of clipped and not clipped.
    """
    return AgentConfig(
        network="babyai11",
        last_actions=0,
        channels=128,
        sentence_dim=128,
        memory="lstm",
        memory_dim=128,
        segment=20,
        envs=64,
        rollout=40,
        batch_size=1280,
        epochs=4,
        learning_rate=1e-4,
        learning_rate_end=1.0,
        discount=0.99,
        gae_lambda=0.99,
        entropy=0.01,
        value_weight=0.5,
        value_clip=0.2,
        normalize_advantage=False,
        reward_scale=20.0,
        time_limit="end",
        precision="float32",
    )


def babyai11_big() -> AgentConfig:
    """BabyAI 1.1's big model, 20.55 million parameters, of which the memory has 17.84.

    The published one learned from demonstrations only, at half the small model's learning rate
    (`babyai_imitate.py`); what it is trained with here is that rate and the small model's PPO.
    """
    return replace(
        babyai11_small(),
        sentence_dim=256,
        sentence="attention",
        memory_dim=2048,
        learning_rate=5e-5,
    )


PRESETS = {"ours": ours, "babyai11-small": babyai11_small, "babyai11-big": babyai11_big}
