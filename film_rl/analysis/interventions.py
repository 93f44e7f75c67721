"""What happens when gamma and beta are changed before they steer: noise, means, maps switched off.

Each experiment asks a function of the caller's, `measure`, how good the network is while they are
changed: the accuracy of its answers, the share of its episodes that succeed. Perez et al. 2018,
section 4.3 and figure 7 (noise, means).

Shapes: B conditions, C features of a block.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from film_rl.errors import check_choice
from film_rl.film import FiLMParams
from film_rl.network import FiLMedNetwork

Which = Literal["gamma", "beta", "both"]
Change = Callable[[FiLMParams], FiLMParams]
Measure = Callable[[], float]
SIZES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@contextmanager
def changed(network: FiLMedNetwork, change: Change) -> Iterator[None]:
    """Inside it, what the network's generator predicts goes through `change` before it steers.

    Raises:
        ValueError: nothing steers the network.
    """
    if network.generator is None:
        raise ValueError("conditioning='none': the network has no gamma and beta to change")
    hook = network.generator.register_forward_hook(lambda _module, _z, film: change(film))
    try:
        yield
    finally:
        hook.remove()


def noise(size: float, which: Which, generator: torch.Generator) -> Change:
    """Adds Gaussian noise of standard deviation `size`, drawn on the CPU each time anew."""
    check_choice("which", which, get_args(Which))

    def noisy(values_BC: Tensor) -> Tensor:
        drawn_BC = torch.randn(values_BC.shape, generator=generator)
        return values_BC + (size * drawn_BC).to(values_BC)

    def change(film_params: FiLMParams) -> FiLMParams:
        return [
            (
                noisy(gamma) if which != "beta" else gamma,
                noisy(beta) if which != "gamma" else beta,
            )
            for gamma, beta in film_params
        ]

    return change


def replaced(means: Sequence[tuple[Tensor, Tensor]], which: Which) -> Change:
    """Replaces gamma, beta or both of every condition by the means (C,) of each block."""
    check_choice("which", which, get_args(Which))

    def change(film_params: FiLMParams) -> FiLMParams:
        return [
            (
                mean_gamma.to(gamma).expand_as(gamma) if which != "beta" else gamma,
                mean_beta.to(beta).expand_as(beta) if which != "gamma" else beta,
            )
            for (gamma, beta), (mean_gamma, mean_beta) in zip(film_params, means, strict=True)
        ]

    return change


def switched_off(block: int, feature: int) -> Change:
    """Sets gamma and beta of one feature of one conditioned block to 0, both counted from 0.

    Raises:
        ValueError: when it is used on film_params that have no such block or feature.
    """

    def change(film_params: FiLMParams) -> FiLMParams:
        if not 0 <= block < len(film_params):
            raise ValueError(f"block {block}; expected 0 to {len(film_params) - 1}")
        gamma_BC = film_params[block][0]
        if not 0 <= feature < gamma_BC.shape[1]:
            raise ValueError(f"feature {feature}; expected 0 to {gamma_BC.shape[1] - 1}")
        keep_C = torch.ones_like(gamma_BC[0])
        keep_C[feature] = 0
        return [
            (gamma * keep_C, beta * keep_C) if index == block else (gamma, beta)
            for index, (gamma, beta) in enumerate(film_params)
        ]

    return change


def means_of(film_params: FiLMParams) -> list[tuple[Tensor, Tensor]]:
    """The mean gamma and beta (C,) of each block over the conditions."""
    return [(gamma.mean(dim=0), beta.mean(dim=0)) for gamma, beta in film_params]


def noise_curves(
    network: FiLMedNetwork, measure: Measure, sizes: Sequence[float] = SIZES, seed: int = 0
) -> dict[str, Any]:
    """How good the network is with noise of each size on gamma, on beta and on both.

    The random numbers start anew for each size, from `seed`.

    Returns:
        JSON: `plain`, `sizes`, and a list by each of `gamma`, `beta` and `both`.
    """

    def at(size: float, which: Which) -> float:
        generator = torch.Generator().manual_seed(seed)
        with changed(network, noise(size, which, generator)):
            return measure()

    curves = {which: [at(size, which) for size in sizes] for which in get_args(Which)}
    return {"plain": measure(), "sizes": list(sizes), **curves}


def mean_replacement(
    network: FiLMedNetwork, measure: Measure, training: FiLMParams
) -> dict[str, float]:
    """How good the network is as it is (`plain`), and with gamma, beta or both at their means.

    Args:
        network: the conditioned network.
        measure: how good it is now.
        training: (gamma, beta) of the conditions whose mean is taken.
    """
    figures = {"plain": measure()}
    for which in get_args(Which):
        with changed(network, replaced(means_of(training), which)):
            figures[which] = measure()
    return figures


def maps_switched_off(
    network: FiLMedNetwork, measure: Measure, maps: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """How good the network is with single feature maps switched off, the most harmful first.

    Args:
        network: the conditioned network.
        measure: how good it is now.
        maps: (block, feature) of each, counted from 0 over the conditioned blocks.

    Returns:
        JSON: `plain`, and `maps`, each with `block`, `feature`, `measured` and `harm`, which is
        plain - measured.

    Raises:
        ValueError: there is no such block or feature.
    """
    plain = measure()
    rows = []
    for block, feature in maps:
        with changed(network, switched_off(block, feature)):
            measured = measure()
        row = {"block": block, "feature": feature, "measured": measured, "harm": plain - measured}
        rows.append(row)
    return {"plain": plain, "maps": sorted(rows, key=lambda row: -row["harm"])}
