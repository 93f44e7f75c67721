"""How the suite trains: a method is a function from a level to what to train.

One more method is one more entry of `METHODS`; nothing else knows their names.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from babyai_levels import Level, minigrid_id

from agents.config import AgentConfig, ImitationConfig
from agents.presets import babyai11_small

if TYPE_CHECKING:
    from film_rl.run import RunFolder

Config = Any  # a frozen configuration dataclass with `seed`


@dataclass(frozen=True)
class Method:
    """A way to train an agent for a level.

    Attributes:
        title: what it is, in a few words.
        learns_from: what published figures it is compared with.
        config: what to train; all but the seed.
        train: trains, goes on from a checkpoint where there is one, evaluates, films, and writes
            the summary.
    """

    title: str
    learns_from: Literal["reward", "demonstrations"]
    config: Callable[[Level], Config]
    train: Callable[["RunFolder", Config], None]


def ppo(level: Level) -> AgentConfig:
    """The agent without a memory, on worlds that are tensors."""
    return AgentConfig(
        level=level.id,
        steps=level.steps,
        learning_rate=level.learning_rate,
        refresh=level.refresh,
        checkpoint_every=level.refresh or AgentConfig.checkpoint_every,
    )


def ppo_gru(level: Level) -> AgentConfig:
    """The same with a memory: whole segments a minibatch, and some levels after easier ones."""
    config = replace(ppo(level), memory="gru", batch_size=640)
    if not level.after:
        return config
    return replace(config, level=None, curriculum=(minigrid_id(level.after), level.id))


def ppo_lstm(level: Level) -> AgentConfig:
    """The same with the memory that BabyAI's agents have."""
    return replace(ppo_gru(level), memory="lstm")


def babyai11(level: Level) -> AgentConfig:
    """BabyAI 1.1's small model and its PPO, for as many steps as ours."""
    return replace(
        babyai11_small(),
        level=level.id,
        steps=level.steps,
        refresh=level.refresh,
        checkpoint_every=level.refresh or AgentConfig.checkpoint_every,
    )


def bc(level: Level) -> ImitationConfig:
    """The agent with a memory, in every frame told what minigrid's bot does."""
    from film_rl.run.folder import slug

    return ImitationConfig(
        level=level.id,
        demos=str(Path("demos") / slug(level.id)),  # where babyai_demos.py puts them
        demonstrations=level.demonstrations,
        updates=level.updates,
        memory="gru",
    )


def dagger(level: Level) -> ImitationConfig:
    """The same, and four times on the way the bot looks on while the agent acts."""
    return replace(bc(level), rounds=4)


def train_agent(run: "RunFolder", config: AgentConfig) -> None:
    """What babyai_ppo.py does."""
    from babyai_ppo import train_and_finish

    train_and_finish(run, config)


def train_on_demonstrations(run: "RunFolder", config: ImitationConfig) -> None:
    """Make the demonstrations that are lacking; then what babyai_imitate.py does."""
    import babyai_demos
    from babyai_imitate import train_and_finish

    from agents.demos import completed

    wanted = babyai_demos.Options(
        level=config.level, demonstrations=config.demonstrations, out=Path(config.demos)
    )
    babyai_demos.make(wanted, workers=os.cpu_count() or 1)
    train_and_finish(run, completed(config))


METHODS = {
    "ppo": Method("PPO, no memory but the last 32 actions", "reward", ppo, train_agent),
    "ppo-gru": Method("PPO with a GRU", "reward", ppo_gru, train_agent),
    "ppo-lstm": Method("PPO with an LSTM", "reward", ppo_lstm, train_agent),
    "babyai11-small": Method("BabyAI 1.1's small model and PPO", "reward", babyai11, train_agent),
    "bc": Method("cloning the bot, GRU", "demonstrations", bc, train_on_demonstrations),
    "dagger": Method(
        "the same with 4 rounds of DAgger", "demonstrations", dagger, train_on_demonstrations
    ),
}
