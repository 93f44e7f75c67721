"""Which level an episode is played on: a hash, so that no generator's state lives on the device."""

from torch import Tensor

MASK = (1 << 32) - 1


def draw_levels(seed: int, world_N: Tensor, episode_N: Tensor, levels: int) -> Tensor:
    """Returns uniform level indices, int64 (N,), one for each world and episode.

    A function of its arguments alone: the same on every device, whatever the number of worlds.
    """
    low, high = seed & MASK, seed >> 32 & MASK
    key_N = _mix(_mix(_mix(_mix(world_N ^ low) ^ high) + episode_N & MASK) ^ 0x9E3779B9)
    return key_N * levels >> 32


def _mix(x: Tensor) -> Tensor:
    """A bijection of 32-bit integers (held in int64) that flips half of the bits on average.

    Two rounds of xor-shift and odd multiplication, as of any modern integer hash; the factors stay
    below 2^31, so that no product overflows.
    """
    x = (x ^ x >> 16) * 0x21F0AAAD & MASK
    x = (x ^ x >> 15) * 0x735A2D97 & MASK
    return x ^ x >> 15
