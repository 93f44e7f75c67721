"""What minigrid's bot would have done in episodes that somebody else acted in.

E episodes, F frames of all of them one after another.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import torch
from minigrid.core.actions import Actions
from torch import Tensor

from envs.bot import Bot, BotError, Why
from envs.demonstrations.source import Source
from envs.errors import EnvError
from envs.workers import mapped

CHUNK = 16  # episodes that a process looks at at a time


class Advice(NamedTuple):
    """The bot's advice.

    Attributes:
        action: uint8 (F,), what the bot would have done in each frame; of no use where not `given`.
        given: bool (E,), False for an episode in which the bot came to a point where it has no
            advice: a box was opened, a thought had no end, the world surprised it.
        left_out: how many episodes these are, by the reason.
    """

    action: Tensor
    given: Tensor
    left_out: dict[str, int]


def advise(
    source: Source, seeds: Sequence[int], taken: Tensor, first: Tensor, workers: int = 1
) -> Advice:
    """Plays episodes again on minigrid, and asks the bot before each action.

    Args:
        source: the worlds; its own seed does not matter here.
        seeds: `env.reset(seed=seeds[e])` is the level of episode e.
        taken: uint8 or int64 (F,), the actions.
        first: int64 (E + 1,), where the episodes begin.
        workers: processes; the advice does not depend on them.

    Raises:
        EnvError: the actions go on where an episode is over: they were taken in other levels.
    """
    bounds, actions = first.tolist(), taken.tolist()
    episodes = [
        (int(seed), actions[start:stop])
        for seed, start, stop in zip(seeds, bounds[:-1], bounds[1:], strict=True)
    ]
    jobs = [(source, episodes[at : at + CHUNK]) for at in range(0, len(episodes), CHUNK)]
    with closing(mapped(_advise, jobs, workers)) as done:
        chunks = dict(done)
    said: list[int] = []
    why: list[Why | None] = []
    told = (one for place in range(len(jobs)) for one in chunks[place])
    for (_, acted), one in zip(episodes, told, strict=True):
        why.append(one if isinstance(one, Why) else None)
        said += [Actions.done.value] * len(acted) if isinstance(one, Why) else one
    return Advice(
        action=torch.tensor(said, dtype=torch.uint8),
        given=torch.tensor([reason is None for reason in why]),
        left_out=dict(sorted(Counter(str(reason) for reason in why if reason).items())),
    )


def _advise(source: Source, episodes: list[tuple[int, list[int]]]) -> list[list[int] | Why]:
    """The process's part: the advice of each episode, or why there is none."""
    world = source.make_env()
    told: list[list[int] | Why] = []
    for seed, taken in episodes:
        world.reset(seed=seed)
        bot, last, over = Bot(world), None, False
        advice: list[int] = []
        try:
            for action in taken:
                if over:
                    raise EnvError(
                        f"{source.worlds}, seed {seed}: an episode is over after {len(advice)} "
                        f"steps, and {len(taken)} actions are given"
                    )
                advice.append(bot(last))
                _, _, terminated, truncated, _ = world.step(action)
                last, over = action, terminated or truncated
            told.append(advice)
        except BotError as error:
            told.append(error.why)
    return told
