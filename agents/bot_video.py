"""A film of minigrid's bot at work: some of its demonstrations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents.frame import ACTIONS, Moment
from agents.video import WORLD_PIXELS, square, write_film
from envs.demonstrations import Demonstrations

DISCOUNT = 0.99  # as agents are trained with


def film_demonstrations(
    demonstrations: Demonstrations, folder: str | Path, *, episodes: int = 3, max_frames: int = 300
) -> dict[str, Path]:
    """Films the first episodes, of one source: the world, the bot's view, the sentence, its action.

    The value shown is the reward to come, discounted as agents are trained with.

    Args:
        demonstrations: of which the first are filmed.
        folder: where `rollout.mp4`, `rollout.gif` and `contact_sheet.png` are written.
        episodes: how many; fewer where `max_frames` is reached first.
        max_frames: bound on the length.

    Returns:
        The three paths, by `video`, `gif` and `contact_sheet`.
    """
    (source,) = demonstrations.sources
    world = source.make_env()
    moments: list[Moment] = []
    starts: list[int] = []
    for episode in range(min(episodes, len(demonstrations))):
        start, stop = demonstrations.first[episode : episode + 2].tolist()
        if len(moments) >= max_frames:
            break
        starts.append(len(moments))
        world.reset(seed=int(demonstrations.seed[episode]))
        actions = demonstrations.action[start:stop].tolist()
        moments += _moments(world, actions, f"demonstration {episode + 1}")
    return write_film(moments[:max_frames], starts, "the bot's action", Path(folder))


def _moments(world: Any, actions: list[int], name: str) -> Iterator[Moment]:
    """The moments of an episode, one an action and one more for how it ended."""
    tile = WORLD_PIXELS // max(world.width, world.height)
    reward = 1 - 0.9 * len(actions) / world.max_steps
    for step, action in enumerate([*actions, None]):
        yield Moment(
            world=square(world.get_frame(highlight=True, tile_size=tile)),
            view=world.get_frame(tile_size=WORLD_PIXELS // 7, agent_pov=True),
            sentence=world.mission,
            caption=f"{name}, step {step}: {'done' if action is None else 'under way'}",
            scores=(np.arange(len(ACTIONS)) == action).astype(np.float32),
            action=action,
            value=reward * DISCOUNT ** (len(actions) - step),
            film=[],
        )
        if action is not None:
            world.step(action)
