"""What a user can get wrong about sentences, levels and worlds."""

from collections.abc import Iterable
from difflib import get_close_matches


class EnvError(ValueError):
    """A user's mistake about a sentence, a level or a world; scripts print it and exit with 2."""


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Returns "; did you mean 'red'?" for the option closest to `word`, or "" if none is close."""
    by_lower = {option.lower(): option for option in options}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def one_of(options: Iterable[str]) -> str:
    """Returns the options as a phrase: "red, green or blue"."""
    *rest, last = options
    return f"{', '.join(rest)} or {last}" if rest else last
