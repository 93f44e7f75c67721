"""How many episodes have begun on a level that none had begun on before, and how many ended well.

A level is fresh for one episode only, so the former are as many as there are levels begun on.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Begun(NamedTuple):
    """Episodes begun so far, and those of them on a level that none had begun on before."""

    episodes: int
    fresh: int


class Ended(NamedTuple):
    """Episodes of a task that have ended, and those of them that succeeded."""

    episodes: int
    successes: int


class Visits:
    """Counts kept on the device; only `begun` waits for it.

    Attributes:
        of_level: int32 (L,), episodes begun on each level of the bank.
        of_left: int64 (2,), `Begun` of the levels that have left it.
        of_task: int64 (G, 2), `Ended` of each of G tasks.
    """

    def __init__(self, levels: int, device: torch.device, tasks: int):
        self.of_level = torch.zeros(levels, dtype=torch.int32, device=device)
        self.of_left = torch.zeros(2, dtype=torch.int64, device=device)
        self.of_task = torch.zeros(tasks, 2, dtype=torch.int64, device=device)

    def add(self, level_N: Tensor, begins_N: Tensor | None = None) -> None:
        """Episodes begin on these levels; where `begins_N` is given, only those it is true of."""
        ones_N = torch.ones_like(level_N) if begins_N is None else begins_N
        self.of_level.index_add_(0, level_N, ones_N.to(torch.int32))

    def end(self, task_N: Tensor, over_N: Tensor, success_N: Tensor) -> None:
        """Episodes of these tasks end where `over_N`, some with success."""
        ended_N2 = torch.stack([over_N, success_N], dim=1).long()
        self.of_task.index_add_(0, task_N.long(), ended_N2)

    def let_in(self, levels: int) -> None:
        """As many of the first levels leave, and new ones come last."""
        gone, stay = self.of_level[:levels], self.of_level[levels:]
        self.of_left += _begun(gone)
        self.of_level = torch.cat([stay, torch.zeros_like(gone)])

    def begun(self) -> Begun:
        """The counts since the worlds' first episodes."""
        return Begun(*(_begun(self.of_level) + self.of_left).tolist())

    def ended(self) -> list[Ended]:
        """The counts of each task since then."""
        return [Ended(*counts) for counts in self.of_task.tolist()]


def _begun(visits_L: Tensor) -> Tensor:
    return torch.stack([visits_L.sum(), (visits_L > 0).sum()])
