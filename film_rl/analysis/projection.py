"""Which sentences steer alike: a map of the parameters of one block, and who is next to whom.

Perez et al. 2018, section 4.2 and figure 6: t-SNE of (gamma, beta) of the first and the last block,
of a network of six.

Shapes: B conditions, C features of a block, D = 2C.
"""

from collections.abc import Sequence
from typing import Any

import torch
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits
from torch import Tensor

NEIGHBOURS = 5
PERPLEXITY = 30.0  # scikit-learn's default; fewer sentences need less
FEWEST = 4


def projection(pair: tuple[Tensor, Tensor], seed: int = 0) -> dict[str, Any]:
    """t-SNE of a block's (gamma, beta) in the plane, begun from their two principal components.

    van der Maaten and Hinton 2008. Distances between far points mean nothing; who is near does.

    Args:
        pair: (gamma, beta) of the block, (B, C).
        seed: of t-SNE.

    Returns:
        JSON: `points` (B, 2), and the `perplexity`, 30 or a third of the conditions if less.

    Raises:
        ValueError: there are fewer than four conditions.
    """
    both_BD = _both(pair)
    if len(both_BD) < FEWEST:
        raise ValueError(f"{len(both_BD)} sentences are too few for a map; expected {FEWEST}")
    perplexity = min(PERPLEXITY, (len(both_BD) - 1) / 3)
    tsne = TSNE(init="pca", perplexity=perplexity, random_state=seed)
    # One thread: the same map on every machine, and no threads that wait for a busy core.
    with threadpool_limits(limits=1):
        points = tsne.fit_transform(both_BD.float().numpy())
    return {"points": points.astype(float).round(4).tolist(), "perplexity": perplexity}


def same_label_nearby(pair: tuple[Tensor, Tensor], labels: Sequence[str]) -> dict[str, float]:
    """How far a label orders the parameters themselves, without a map of them.

    A condition is asked for as many of its nearest others, by Euclidean distance, as there are
    others with its label, but for 5 at most: so 1 can be reached. Who has no such other is left
    out.

    Args:
        pair: (gamma, beta) of the block, (B, C).
        labels: one a condition.

    Returns:
        `nearby`, the share of these nearest that have the condition's label, and `chance`, the
        share of all others that have it; both are means over conditions.
    """
    both_BD = _both(pair)
    distance_BB = torch.cdist(both_BD, both_BD).fill_diagonal_(float("inf"))
    nearest_BK = distance_BB.argsort(dim=1, stable=True)[:, :NEIGHBOURS]
    ids = {label: index for index, label in enumerate(sorted(set(labels)))}
    label_B = torch.tensor([ids[label] for label in labels])
    same_BB = label_B[:, None] == label_B
    alike_B = same_BB.sum(dim=1) - 1
    asked_B = alike_B.clamp(max=NEIGHBOURS)
    is_asked_BK = torch.arange(nearest_BK.shape[1]) < asked_B[:, None]
    right_B = (same_BB.gather(1, nearest_BK) & is_asked_BK).sum(dim=1)
    has_B = alike_B > 0
    return {
        "nearby": (right_B[has_B] / asked_B[has_B]).double().mean().item(),
        "chance": (alike_B[has_B] / (len(labels) - 1)).double().mean().item(),
    }


def _both(pair: tuple[Tensor, Tensor]) -> Tensor:
    return torch.cat(pair, dim=1).detach().double().cpu()
