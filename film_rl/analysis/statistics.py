"""What gamma and beta are: their histograms, and one against the other in single feature maps.

Perez et al. 2018, section 4.2 and figure 5, tells how many are negative and how wide they spread.

Shapes: B conditions, C features of a block.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from film_rl.film import FiLMParams

NEAR_ZERO = 0.1  # a gamma or beta is near zero where its absolute value is smaller
BINS = 60


def statistics(film_params: FiLMParams, names: Sequence[str]) -> dict[str, Any]:
    """Shares, extremes and histograms of gamma and beta, of each block and of all together.

    Args:
        film_params: (gamma, beta) of each conditioned block, (B, C).
        names: what to call these blocks.

    Returns:
        JSON: `conditions`, `near_zero` (the bound), `blocks` by name and `all`, each with `gamma`
        and `beta` as `spread` describes them.
    """
    gammas, betas = (_flat(film_params, which) for which in (0, 1))
    return {
        "conditions": len(film_params[0][0]),
        "near_zero": NEAR_ZERO,
        "all": {"gamma": spread(gammas), "beta": spread(betas)},
        "blocks": {
            name: {"gamma": spread(gamma_BC), "beta": spread(beta_BC)}
            for name, (gamma_BC, beta_BC) in zip(names, film_params, strict=True)
        },
    }


def spread(values: Tensor) -> dict[str, Any]:
    """Shares negative and near zero, min, max, mean, standard deviation, and a histogram.

    The histogram has `BINS` bins of equal width from min to max.
    """
    values = values.detach().flatten().double().cpu()
    low, high = values.min().item(), values.max().item()
    # Equal values have no width; their one bin is given some.
    reach = (low, high) if high > low else (low - 0.5, high + 0.5)
    counts, edges = torch.histogram(values, bins=BINS, range=reach)
    return {
        "negative": (values < 0).double().mean().item(),
        "near_zero": (values.abs() < NEAR_ZERO).double().mean().item(),
        "min": low,
        "max": high,
        "mean": values.mean().item(),
        "std": values.std(correction=0).item(),
        "histogram": {"edges": edges.tolist(), "counts": counts.long().tolist()},
    }


def most_moved(gamma_BC: Tensor, number: int) -> list[int]:
    """The features whose gamma differs most between conditions, by its standard deviation."""
    moved_C = gamma_BC.detach().double().std(dim=0, correction=0)
    return moved_C.argsort(descending=True, stable=True)[:number].tolist()


def scatter(
    pair: tuple[Tensor, Tensor], features: Sequence[int], labels: Sequence[str]
) -> dict[str, Any]:
    """gamma and beta of single features of one block for every condition, and their means a label.

    Args:
        pair: (gamma, beta) of the block, (B, C).
        features: which of the C.
        labels: one a condition.

    Raises:
        ValueError: there is no such feature.
    """
    gamma_BC, beta_BC = (p.detach().double().cpu() for p in pair)
    points = {}
    for feature in features:
        if not 0 <= feature < gamma_BC.shape[1]:
            raise ValueError(f"feature {feature}; expected 0 to {gamma_BC.shape[1] - 1}")
        gamma_B, beta_B = gamma_BC[:, feature], beta_BC[:, feature]
        means = {}
        for label in sorted(set(labels)):
            of_label_B = torch.tensor([one == label for one in labels])
            means[label] = {
                "gamma": gamma_B[of_label_B].mean().item(),
                "beta": beta_B[of_label_B].mean().item(),
                "conditions": int(of_label_B.sum()),
            }
        points[feature] = {"gamma": gamma_B.tolist(), "beta": beta_B.tolist(), "means": means}
    return {"labels": list(labels), "features": points}


def _flat(film_params: FiLMParams, which: int) -> Tensor:
    return torch.cat([pair[which].flatten() for pair in film_params])
