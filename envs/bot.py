"""minigrid's bot, with an end to each of its thoughts and to its patience with an episode.

The bot plans by searches. A thought takes a few of them (eleven at most in some hundred episodes of
eight levels); where a level has no solution, and here and there where it has one, it searches for
ever. Searches are counted, so that the same levels are given up on every machine, however busy.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from types import FrameType
from typing import Any

import gymnasium as gym
from minigrid.utils.baby_ai_bot import BabyAIBot, DisappearedBoxError

SEARCHES = 200  # of one thought
SEARCHES_OF_EPISODE = 20_000  # the longest episodes need a twentieth
SECONDS = 30.0  # of the processor for one thought, should it be endless without a search
AGAIN = 0.01  # seconds between two attempts to end such a thought


class Why(StrEnum):
    """Why an episode is no demonstration."""

    UNSOLVABLE = "no solution"
    ENDLESS = "endless thought"
    BOX = "box opened"
    AT_A_LOSS = "bot at a loss"
    TIME = "out of time"
    FAILED = "ended without success"


class BotError(Exception):
    """The bot has no advice, and will have none in this episode; `why` says what happened."""

    def __init__(self, why: Why):
        super().__init__(why)
        self.why = why


class Bot:
    """Says what to do next in an episode of a BabyAI environment; in the main thread only.

    Args:
        env: it has just been reset.
    """

    def __init__(self, env: gym.Env):
        self._bot = _Searching(env.unwrapped)

    def __call__(self, last: int | None) -> int:
        """The next action.

        Args:
            last: the action taken since the last call, the bot's or another; None at first.

        Raises:
            BotError: the thought has no end, a box was opened, or the bot is at a loss, as in every
                episode of KeyInBox and PutNext...Carrying.
        """
        try:
            self._bot.begin_thought()
            with patience(SECONDS):
                return int(self._bot.replan(last))
        except (_EndlessError, TimeoutError):
            raise BotError(Why.ENDLESS) from None
        except DisappearedBoxError:
            raise BotError(Why.BOX) from None
        except Exception as error:  # it fails in many ways where the world has surprised it
            raise BotError(Why.AT_A_LOSS) from error


class _EndlessError(Exception):
    pass


class _Searching(BabyAIBot):
    """minigrid's bot, which may make so many searches and no more."""

    def begin_thought(self) -> None:
        self.end = min(self.bfs_counter + SEARCHES, SEARCHES_OF_EPISODE)

    def _breadth_first_search(self, *args: Any, **options: Any) -> Any:
        if self.bfs_counter >= self.end:
            raise _EndlessError
        return super()._breadth_first_search(*args, **options)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in minigrid's code after so much processor time; main thread only."""
    before: Callable[..., Any] | int | None = signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _give_up(_signum: int, frame: FrameType | None) -> None:
    # Elsewhere, as in a callback of the garbage collector, it would be printed and forgotten.
    if frame and frame.f_globals.get("__name__", "").startswith("minigrid."):
        raise TimeoutError
