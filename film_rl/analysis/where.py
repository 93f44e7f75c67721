"""Where in the picture a network's features are: what is strong, what is largest, what matters.

Perez et al. 2018, section 4.2 and figure 4: the cells that a global maximum comes from lie on or
near the objects that a question or its answer is about.

Shapes: B samples, C channels, H height, W width, A scores.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from film_rl.network import FiLMedNetwork


@dataclass(frozen=True)
class Where:
    """What `where` found; maps (B, H, W) by part.

    Attributes:
        scores: what the network says, (B, A).
        winners: see `winners`.
        gradients: how strongly the summed scores depend on each cell: `strength` of the gradient.
    """

    scores: Tensor
    winners: dict[str, Tensor]
    gradients: dict[str, Tensor]


def parts_of(network: FiLMedNetwork) -> dict[str, nn.Module]:
    """The parts of a network that give feature maps: `stem`, `block 1`, `block 2`, ..."""
    blocks = {f"block {number}": block for number, block in enumerate(network.blocks, start=1)}
    return {"stem": network.stem, **blocks}


@contextmanager
def outputs_of(parts: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Inside it, whatever a part gives is kept under its name; what it gave last stays."""
    kept: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[[object, object, Tensor], None]:
        def keep(_module: object, _inputs: object, output: Tensor) -> None:
            kept[name] = output

        return keep

    hooks = [part.register_forward_hook(keeper(name)) for name, part in parts.items()]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def where(parts: Mapping[str, nn.Module], scores: Callable[[], Tensor]) -> Where:
    """Ask for scores (B, A), and see where in each part's maps (B, C, H, W) they come from.

    Args:
        parts: modules that `scores` runs, in evaluation mode, and whose parameters have gradients.
        scores: computes the scores.
    """
    with torch.enable_grad(), outputs_of(parts) as kept:
        scores_BA = scores()
        gradients = torch.autograd.grad(scores_BA.sum(), list(kept.values()))
    return Where(
        scores_BA.detach(),
        {name: winners(x_BCHW.detach()) for name, x_BCHW in kept.items()},
        {name: strength(g_BCHW) for name, g_BCHW in zip(kept, gradients, strict=True)},
    )


def winners(x_BCHW: Tensor) -> Tensor:
    """The share of channels whose largest value lies in each cell, (B, H, W); dead ones aside.

    Cells that are equally large share their channel equally: all cells of a wall, say.
    """
    is_most_BCHW = (x_BCHW == x_BCHW.amax(dim=(2, 3), keepdim=True)) & (x_BCHW > 0)
    number_BC11 = is_most_BCHW.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return (is_most_BCHW / number_BC11).mean(dim=1)


def strength(x_BCHW: Tensor) -> Tensor:
    """The root of the mean over channels of x^2 in each cell, (B, H, W)."""
    return x_BCHW.float().square().mean(dim=1).sqrt()


def stretched(maps_BHW: Tensor) -> Tensor:
    """Each map from 0 to 1."""
    low, high = maps_BHW.amin(dim=(1, 2), keepdim=True), maps_BHW.amax(dim=(1, 2), keepdim=True)
    return (maps_BHW - low) / (high - low).clamp(min=1e-9)
