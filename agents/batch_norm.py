"""Batch norm in a policy: its statistics stand still, and are taken anew between updates."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn


def batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    """The batch norms in a module; most policies have none."""
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


def stand_still(norms: Sequence[nn.BatchNorm2d]) -> None:
    """Normalise by the statistics there are, whatever passes."""
    for norm in norms:
        norm.eval()


@contextmanager
def statistics_taken_anew(norms: Sequence[nn.BatchNorm2d]) -> Iterator[None]:
    """Inside it, what passes makes the statistics: the mean of its batches', nothing from before.

    Precise batch norm (Wu and Johnson 2021, arXiv:2105.07576, section 3).
    """
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's word for the plain mean
        norm.train()
    try:
        yield
    finally:
        for norm, before in zip(norms, momentum, strict=True):
            norm.momentum = before
        stand_still(norms)
