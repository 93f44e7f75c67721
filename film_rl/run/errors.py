"""Errors that a user can mend: scripts print the message and exit with status 2."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """Something the user gave or the machine lacks: says what, what was expected, what to type."""


class NonFiniteError(UserError):
    """A loss, gradient or parameter became NaN or infinite."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The ending of an error message about an unknown name: `; did you mean 'x'?`, or nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
