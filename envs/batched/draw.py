"""Which level an episode is played on: a hash, so that no generator's state lives on the device.

N worlds, L levels of the bank, G tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from envs.errors import EnvError

MASK = (1 << 32) - 1
OF_LEVEL, OF_TASK = 0x9E3779B9, 0x3C6EF372  # so that two draws of one episode know not each other


def draw_levels(seed: int, world_N: Tensor, episode_N: Tensor, levels: int) -> Tensor:
    """Returns uniform level indices, int64 (N,), one for each world and episode.

    A function of its arguments alone: the same on every device, whatever the number of worlds.
    """
    return _key(seed, world_N, episode_N, OF_LEVEL) * levels >> 32


class Shares:
    """Draws first a task, by its share of the episodes, and then one of its levels, uniformly.

    Each draw is a function of seed, world, episode, levels and shares alone. An episode is of task
    g with probability shares[g], exact to 2^-32, however many levels g has.

    Args:
        task_L: each level's task, 0 to G - 1.
        shares: G numbers from 0 to 1 whose sum is 1.

    Raises:
        EnvError: they are not, or a task that has a share has no level.
    """

    def __init__(self, task_L: Tensor, shares: Sequence[float]):
        count_G = torch.bincount(task_L, minlength=len(shares))
        numbers = count_G.tolist()
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9 or len(numbers) > len(shares):
            raise EnvError(
                f"shares are {list(shares)} of {len(numbers)} tasks; expected one each, from 0 to "
                "1, whose sum is 1"
            )
        if missing := [g for g, share in enumerate(shares) if share and not numbers[g]]:
            raise EnvError(
                f"task {missing[0]} has a share of the episodes and no level; make more levels"
            )
        self._level_L = task_L.argsort(stable=True)  # those of task 0, then those of task 1 ...
        self._count_G, self._first_G = count_G, count_G.cumsum(0) - count_G
        ends = torch.tensor(shares, dtype=torch.float64).cumsum(0)[:-1]
        self._ends = (ends * (MASK + 1)).round().long().to(task_L.device)

    def draw(self, seed: int, world_N: Tensor, episode_N: Tensor) -> Tensor:
        """Level indices, int64 (N,), one for each world and episode."""
        task_N = torch.bucketize(_key(seed, world_N, episode_N, OF_TASK), self._ends, right=True)
        place_N = _key(seed, world_N, episode_N, OF_LEVEL) * self._count_G[task_N] >> 32
        return self._level_L[self._first_G[task_N] + place_N]


def _key(seed: int, world_N: Tensor, episode_N: Tensor, purpose: int) -> Tensor:
    """A random number of 32 bits for each world and episode."""
    low, high = seed & MASK, seed >> 32 & MASK
    return _mix(_mix(_mix(_mix(world_N ^ low) ^ high) + episode_N & MASK) ^ purpose)


def _mix(x: Tensor) -> Tensor:
    """A bijection of 32-bit integers (held in int64) that flips half of the bits on average.

    Two rounds of xor-shift and odd multiplication, as of any modern integer hash; the factors stay
    below 2^31, so that no product overflows.
    """
    x = (x ^ x >> 16) * 0x21F0AAAD & MASK
    x = (x ^ x >> 15) * 0x735A2D97 & MASK
    return x ^ x >> 15
