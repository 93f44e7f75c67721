"""The way from one sentence to another in the space of gamma and beta.

Shapes: K steps, C features of a block.
"""

import torch

from film_rl.film import FiLMParams


def between(first: FiLMParams, second: FiLMParams, steps: int) -> FiLMParams:
    """(1 - t) first + t second for `steps` values of t from 0 to 1: gammas and betas (K, C).

    Args:
        first: (gamma, beta) of each block of one sentence, (1, C).
        second: those of another.
        steps: how many, both ends included.

    Raises:
        ValueError: there are fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f"steps={steps}; expected 2 or more, since both ends count")

    def way(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        t_K1 = torch.linspace(0, 1, steps, dtype=one.dtype, device=one.device)[:, None]
        return torch.lerp(one.expand(steps, -1), other.expand(steps, -1), t_K1)

    return [
        (way(gamma, other_gamma), way(beta, other_beta))
        for (gamma, beta), (other_gamma, other_beta) in zip(first, second, strict=True)
    ]
