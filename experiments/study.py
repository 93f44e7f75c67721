"""What a study of `analyze.py` is asked for, and what it gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_rl.analysis.arithmetic import parse_formula
from film_rl.analysis.subject import Subject, block_names

Draw = Callable[[Path], list[Path]]


class NotHereError(Exception):
    """A study that this run does not allow; the message says why, and what to type."""


@dataclass(frozen=True)
class Study:
    """JSON figures, lines to print, and a function from a folder to the pictures drawn there."""

    figures: dict[str, Any]
    lines: Sequence[str]
    draw: Draw


@dataclass(frozen=True)
class Request:
    """What the user wants to see; see `analyze.Options`. Blocks and maps are counted from 1."""

    by: str | None = None
    block: int | None = None
    map: int | None = None
    between: tuple[str, str] | None = None
    steps: int = 9
    formula: str | None = None

    def check(self, subject: Subject) -> None:
        """Find what does not fit the network before anything runs; a ValueError."""
        names = block_names(subject.network)
        if self.block is not None and f"block {self.block}" not in names:
            raise ValueError(f"--block {self.block}; the network is steered in {', '.join(names)}")
        features = subject.film[self.place(subject)][0].shape[1]
        if self.map is not None and self.map > features:
            raise ValueError(f"--map {self.map}; expected 1 to {features}")
        if self.by is not None:
            subject.labels_by(self.by)
        if self.formula is not None:
            parsed = parse_formula(self.formula)
            subject.read([sentence for _, sentence in parsed.terms])
            subject.read([parsed.target] if parsed.target else [parsed.terms[0][1]])
        if self.between is not None:
            subject.read(self.between)

    def place(self, subject: Subject) -> int:
        """The block among the conditioned ones, counted from 0; the last where none is given."""
        names = block_names(subject.network)
        return len(names) - 1 if self.block is None else names.index(f"block {self.block}")

    def labels(self, subject: Subject) -> dict[str, Sequence[str]]:
        """The labels asked for, or all that tell sentences apart."""
        if self.by is not None:
            return {self.by: subject.labels_by(self.by)}
        told = {name: values for name, values in subject.labels.items() if len(set(values)) > 1}
        return told or {"sentence": ["all"] * len(subject.sentences)}
