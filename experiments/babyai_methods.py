"""How the suite trains: a method is a function from a level to what to train.

One more method is one more entry of `METHODS`; nothing else knows their names.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from babyai_levels import Level

from agents.config import AgentConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder

Config = Any  # a frozen configuration dataclass with `seed` and `engine`


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
    """The same with a memory: whole segments a minibatch."""
    return replace(ppo(level), memory="gru", batch_size=640)


def ppo_lstm(level: Level) -> AgentConfig:
    """The same with the memory that BabyAI's agents have."""
    return replace(ppo_gru(level), memory="lstm")


def train_agent(run: "RunFolder", config: AgentConfig) -> None:
    """What babyai_ppo.py does."""
    from babyai_ppo import train_and_finish

    train_and_finish(run, config)


METHODS = {
    "ppo": Method("PPO, no memory but the last 32 actions", "reward", ppo, train_agent),
    "ppo-gru": Method("PPO with a GRU", "reward", ppo_gru, train_agent),
    "ppo-lstm": Method("PPO with an LSTM", "reward", ppo_lstm, train_agent),
}
