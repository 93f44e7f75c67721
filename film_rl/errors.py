"""Wording and checks shared by the errors that a user can cause and mend."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The ending of an error message about an unknown name: `; did you mean 'x'?`, or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_choice(what: str, given: str, choices: Iterable[str]) -> None:
    """Raise a ValueError, with the choices and the closest one, unless `given` is among them."""
    known = list(choices)
    if given not in known:
        expected = ", ".join(map(repr, known))
        raise ValueError(
            f"{what}={given!r} is unknown; expected one of {expected}{did_you_mean(given, known)}"
        )


def check_odd(what: str, given: int) -> None:
    """Raise a ValueError unless `given` is odd: an even kernel cannot keep height and width."""
    if given % 2 == 0:
        raise ValueError(
            f"{what}={given} is even and would change height and width; "
            f"expected an odd number, such as {given + 1}"
        )
