"""From a configuration to worlds and a PPO learner; from a run's checkpoint to an agent."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from agents.babyai11 import BabyAIExtractor
from agents.batched_vec_env import BatchedVecEnv
from agents.config import AgentConfig, FollowerConfig, ImitationConfig
from agents.curriculum import first_shares
from agents.device_ppo import DevicePPO, check_segment
from agents.device_rollout import Rewards
from agents.extractor import FiLMExtractor
from agents.guard import RememberingRolloutBuffer
from agents.levels import level_bank
from agents.policy import FiLMPolicy
from agents.start import Start, start_from
from agents.task import EVALUATION_SEED, Task, tasks_of
from envs.batched.facades import InstructedWorlds
from film_rl.run import (
    Checkpointer,
    RunFolder,
    UserError,
    choose_device,
    choose_precision,
    keep_freed_memory,
)
from film_rl.run.files import read_json

RANGES: dict[str, tuple[float, float]] = {  # of the options that a configuration has
    "steps": (1, 10**12),
    "seed": (0, EVALUATION_SEED - 1),
    "envs": (1, 2**20),
    "levels": (1, 2**24),
    "refresh": (0, 10**12),
    "threads": (1, 512),
    "channels": (1, 4096),
    "blocks": (1, 64),
    "sentence_dim": (1, 8192),
    "memory_dim": (1, 65_536),
    "segment": (1, 65_536),
    "rollout": (2, 65_536),
    "batch_size": (2, 2**24),
    "epochs": (1, 1000),
    "learning_rate": (1e-12, 1e30),
    "learning_rate_end": (0, 1),
    "entropy": (0, 1000),
    "discount": (0, 1),
    "gae_lambda": (0, 1),
    "value_weight": (0, 1e6),
    "value_clip": (0, 1e6),
    "reward_scale": (1e-6, 1e6),
    "last_actions": (0, 1024),
    "demonstrations": (0, 10**12),
    "updates": (1, 10**12),
    "weight_decay": (0, 1000),
    "rounds": (0, 1000),
    "round_episodes": (1, 10**7),
    "eval_every": (1, 10**12),
    "val_episodes": (1, 10**7),
    "checkpoint_every": (1, 10**12),
    "eval_episodes": (1, 10**7),
    "advance_at": (0, 1),
}


def make_learner(config: AgentConfig, run: RunFolder | None = None, parts: int = 0) -> PPO:
    """Worlds, policy and PPO as the configuration says; nothing has been stepped yet.

    Args:
        config: what to make.
        run: where the level bank of engine tensor is kept, so that it is made once only.
        parts: how many parts have joined the first bank, see `agents.levels`.

    Raises:
        EnvError: the level or a sentence is unknown or impossible.
        UserError: the device or precision is not to be had.
    """
    device, end = choose_device(config.device), config.learning_rate_end
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    task = Task.of_config(config)
    worlds: VecEnv
    if config.engine == "tensor":
        bank = level_bank(config, run, parts)
        worlds = BatchedVecEnv(
            InstructedWorlds(
                bank,
                config.envs,
                device=device,
                seed=config.seed,
                last_actions=config.last_actions,
                pixels=task.pixels,
                shares=first_shares(config),
            )
        )
    else:
        worlds = VecMonitor(DummyVecEnv([task.make] * config.envs))
    tensor = config.engine == "tensor"
    rewards = Rewards(config.reward_scale, config.time_limit)
    algorithm = partial(DevicePPO, segment=config.segment) if tensor else PPO
    return algorithm(
        FiLMPolicy,
        worlds,
        learning_rate=lambda left: config.learning_rate * (end + (1 - end) * left),
        n_steps=config.rollout,
        batch_size=config.batch_size,
        n_epochs=config.epochs,
        gamma=config.discount,
        gae_lambda=config.gae_lambda,
        ent_coef=config.entropy,
        vf_coef=config.value_weight,
        clip_range_vf=config.value_clip or None,
        normalize_advantage=config.normalize_advantage,
        rollout_buffer_class=None if tensor else RememberingRolloutBuffer,
        rollout_buffer_kwargs={"rewards": rewards} if tensor else None,
        policy_kwargs=policy_options(config, choose_precision(config.precision, device)),
        seed=config.seed,
        device=device,
    )


def policy_options(config: AgentConfig, precision: torch.dtype) -> dict[str, Any]:
    """Arguments of `FiLMPolicy` for the network of a configuration."""
    ours = config.network == "ours"
    options = {
        "channels": config.channels,
        "sentence_dim": config.sentence_dim,
        "precision": precision,
    }
    if ours:
        options |= {"blocks": config.blocks, "conditioning": config.conditioning}
    if config.sentence == "attention":
        options["attends_to"] = config.memory_dim * (2 if config.memory == "lstm" else 1)
    return {
        "memory": config.memory,
        "memory_dim": config.memory_dim,
        "features_extractor_class": FiLMExtractor if ours else BabyAIExtractor,
        "features_extractor_kwargs": options,
        "optimizer_kwargs": {"eps": 1e-5, "fused": True},  # SB3's epsilon
    }


def check(config: AgentConfig) -> None:
    """Find out what is wrong with a configuration before anything is written.

    Raises:
        UserError: a number is out of range; the device or precision is not to be had.
        EnvError: the level or a sentence is unknown or impossible.
    """
    check_numbers(config)
    choose_precision(config.precision, choose_device(config.device))
    for task in tasks_of(config):
        task.make().close()


def check_start(config: FollowerConfig) -> Start | None:
    """What the run to begin with gives, found out before anything is written; see `start_from`."""
    if config.init_from is None:
        return None
    return start_from(untrained_agent(config, config.device).policy, config.init_from)


def check_agent(config: FollowerConfig) -> None:
    """Refuse a number that is out of range, or a network that there is not, with a UserError."""
    for name, (low, high) in RANGES.items():
        value, option = getattr(config, name, low), f"--{name.replace('_', '-')}"
        if not low <= value <= high:
            raise UserError(f"{option} {value}: expected {low:,} to {high:,}")
    _check_network(config)


def check_numbers(config: AgentConfig) -> None:
    """Refuse what is out of range, or does not fit together, with a UserError."""
    check_agent(config)
    if config.seed + config.envs > EVALUATION_SEED:
        raise UserError(
            f"--seed {config.seed}: the worlds of evaluation begin at {EVALUATION_SEED:,}; "
            f"type {EVALUATION_SEED - config.envs} or less"
        )
    samples = config.envs * config.rollout
    if samples % config.batch_size:
        raise UserError(
            f"--batch-size {config.batch_size} does not divide the {samples} samples of an update "
            f"(--envs {config.envs} x --rollout {config.rollout}); "
            f"type --batch-size {_largest_divisor(samples, config.batch_size)}"
        )
    if config.engine == "sb3":
        _check_stock(config)
    elif config.memory != "none":
        check_segment(config.segment, config.rollout, config.batch_size, config.envs)
    if 0 < config.refresh < samples:
        raise UserError(
            f"--refresh {config.refresh}: levels change between two updates, of {samples} steps "
            f"each (--envs {config.envs} x --rollout {config.rollout}); type --refresh {samples} "
            "or more"
        )


def _check_stock(config: AgentConfig) -> None:
    """Refuse what stock PPO on minigrid's worlds cannot do."""
    if config.reward_scale != 1 or config.time_limit != "bootstrap":
        raise UserError(
            f"--reward-scale {config.reward_scale:g} --time-limit {config.time_limit}: stock PPO "
            "(--engine sb3) takes rewards and time limits as they are; type --engine tensor"
        )
    if config.memory != "none":
        raise UserError(
            f"--memory {config.memory}: stock PPO (--engine sb3) has none; type --engine "
            "tensor, or call sb3-contrib's RecurrentPPO with FiLMExtractor (README.md)"
        )
    if config.mixture or config.curriculum:
        raise UserError(
            "--engine sb3 trains on one task; leave it out: --mixture and --curriculum are of the "
            "tensor worlds"
        )
    if config.refresh:
        raise UserError(
            f"--refresh {config.refresh}: minigrid's worlds (--engine sb3) have a new level in "
            "every episode; leave it out, or type --engine tensor"
        )


def _check_network(config: FollowerConfig) -> None:
    """BabyAI's network has no options but its sizes; attention needs somebody who attends."""
    if config.sentence == "attention":
        if config.memory == "none":
            raise UserError(
                "--sentence attention --memory none: it is the memory that attends to the "
                "sentence; type --memory lstm (or gru), or --sentence gru"
            )
        if config.sentence_dim % 2:
            raise UserError(
                f"--sentence-dim {config.sentence_dim} with --sentence attention: two GRUs share "
                f"it; type --sentence-dim {config.sentence_dim + 1}"
            )
        if config.network == "ours" and config.conditioning == "none":
            raise UserError(
                "--sentence attention --conditioning none: nobody reads the sentence; type "
                "--sentence gru"
            )
    fixed = {"last_actions": 0, "conditioning": "film", "blocks": 2}
    for name, value in fixed.items() if config.network == "babyai11" else ():
        if getattr(config, name) != value:
            option = f"--{name.replace('_', '-')}"
            raise UserError(
                f"{option} {getattr(config, name)} with --network babyai11, which is as published; "
                f"type {option} {value}"
            )


def load_agent(
    run: RunFolder | str | Path, device: str = "auto"
) -> tuple[PPO, AgentConfig | ImitationConfig]:
    """The agent of a run as its newest good checkpoint has it, and the run's configuration.

    Raises:
        UserError: the run is not one, or has no checkpoint yet.
    """
    run = run if isinstance(run, RunFolder) else RunFolder.existing(run)
    config = config_of(run)
    checkpoint = Checkpointer(run.checkpoints).load()
    if checkpoint is None:
        raise UserError(
            f"{run.path} has no checkpoint yet; train it with --run {run.path} --resume"
        )
    agent = untrained_agent(config, device)
    with fits_configuration(run):
        agent.policy.load_state_dict(checkpoint.state["learner"]["policy"])
    agent.num_timesteps = checkpoint.step
    return agent, config


def config_of(run: RunFolder) -> AgentConfig | ImitationConfig:
    """The configuration of a run of an agent, however it learned; UserError where it is none."""
    names = read_json(run.config_path)
    if isinstance(names, dict) and "demos" in names:
        imitation = run.config(ImitationConfig)
        check_agent(imitation)
        return imitation
    config = run.config(AgentConfig)
    check_numbers(config)
    return config


def untrained_agent(config: FollowerConfig, device: str) -> PPO:
    """An agent with the network of a configuration. It has one world, and no PPO to learn by."""
    names = [field.name for field in dataclasses.fields(FollowerConfig)]
    shared: dict[str, Any] = {name: getattr(config, name) for name in names} | {"device": device}
    small = AgentConfig(**shared, engine="sb3", envs=1, rollout=2, batch_size=2)
    return make_learner(small)


@contextmanager
def fits_configuration(run: RunFolder) -> Iterator[None]:
    """Inside it a checkpoint is put to use; one of another network or program is a UserError."""
    try:
        yield
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        reason = str(error).strip().splitlines()[-1:]
        raise UserError(
            f"{run.checkpoints} holds checkpoints that are not of {run.config_path}; was one of "
            f"them edited? ({type(error).__name__}: {''.join(reason).strip()})"
        ) from error


def _largest_divisor(number: int, most: int) -> int:
    return next(d for d in range(min(most, number), 0, -1) if number % d == 0)
