"""The processes that train one network together: here the usual one, which does it alone."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Self

from torch import Tensor, nn


class Team:
    """A team of one: it has nobody to ask or to wait for. `accelerated.ManyProcesses` is the other.

    All processes hold the same network and do the same steps, each on its part of the batch. The
    first one alone writes the run folder, evaluates and speaks. Used with `with`, it is left at the
    end.

    Attributes:
        part: (this process's number, from 0; how many there are).
    """

    part: tuple[int, int] = (0, 1)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.part[0] == 0

    def prepare(self, model: nn.Module) -> None:
        """Change the layers that must know of the other processes."""

    def average(self, tensors: Sequence[Tensor], weight: float) -> None:
        """Replace each tensor by its mean over the processes, each with its weight."""

    def largest(self, number: float) -> float:
        """The largest of the processes' numbers."""
        return number

    def told(self, text: str) -> str:
        """The first process's text."""
        return text

    def wait(self) -> None:
        """Go on when all processes have come here."""

    def first_goes_ahead(self) -> AbstractContextManager[object]:
        """Inside it the others begin when the first process has left it."""
        return nullcontext()

    def leave(self) -> None:
        """Need the other processes no more; a second time is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        # A process that ends as a member of a group may be aborted by the group's threads. After an
        # error the others may never come to leave it, and a GPU's group would wait for them.
        if error is None:
            self.leave()
