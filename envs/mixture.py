"""An environment whose episodes are those of several, each by its share."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from envs.replay import State


class Mixture(gym.Env):
    """Each reset draws one of the environments, which this one then is until the next.

    An episode is a function of its seed, where it is given one: first the draw, then the world.

    Args:
        members: environments of equal spaces.
        shares: of each in the episodes, from 0 to 1; their sum is 1.
    """

    def __init__(self, members: Sequence[gym.Env], shares: Sequence[float]):
        self._members, self._shares = list(members), list(shares)
        self._now = self._members[0]
        self.observation_space = self._now.observation_space
        self.action_space = self._now.action_space
        self.metadata, self.render_mode = self._now.metadata, self._now.render_mode

    @property
    def unwrapped(self) -> Any:
        """minigrid's environment of the present episode."""
        return self._now.unwrapped

    def reset(self, *, seed: int | None = None, options: State | None = None) -> tuple[Any, State]:
        """Starts an episode, as gymnasium says."""
        super().reset(seed=seed)
        self._now = self._members[self.np_random.choice(len(self._members), p=self._shares)]
        return self._now.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, State]:
        """Acts, as gymnasium says."""
        return self._now.step(action)

    def close(self) -> None:
        """Closes all of them."""
        for member in self._members:
            member.close()
