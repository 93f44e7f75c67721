import dataclasses
from pathlib import Path

import pytest

from agents.config import AgentConfig
from agents.training import train
from film_rl.run import RunFolder

TINY = AgentConfig(
    instr=("go to the red ball", "go to the blue key"),
    engine="sb3",
    levels=32,
    room_size=5,
    distractors=1,
    steps=640,
    envs=4,
    rollout=16,
    batch_size=32,
    channels=8,
    sentence_dim=8,
    precision="float32",
    checkpoint_every=128,
    eval_episodes=8,
)


@pytest.fixture(scope="session")
def tiny() -> AgentConfig:
    """A configuration that trains in a second: 10 updates, 5 checkpoints."""
    return TINY


@pytest.fixture(scope="session")
def tiny_tensor() -> AgentConfig:
    """The same on tensors."""
    return dataclasses.replace(TINY, engine="tensor")


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> tuple[RunFolder, object]:
    """A run of it that was never interrupted, and its learner."""
    return whole(TINY, tmp_path_factory)


@pytest.fixture(scope="session")
def trained_tensor(tmp_path_factory, tiny_tensor) -> tuple[RunFolder, object]:
    """The same on tensors."""
    return whole(tiny_tensor, tmp_path_factory)


def whole(config: AgentConfig, tmp_path_factory) -> tuple[RunFolder, object]:
    run = RunFolder.create(Path(tmp_path_factory.mktemp("runs")) / "whole", config)
    with run:
        learner, _ = train(config, run)
    return run, learner
