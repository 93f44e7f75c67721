"""Keeps minigrid's level generator from writing to the user's terminal."""

from minigrid.envs.babyai.core import roomgrid_level


def _silent(*_: object) -> None:
    """Says nothing."""


# The generator draws worlds until one is valid and prints a line for each that is not: thousands in
# a training run. The module looks `print` up by name, so one of its own silences these lines only.
vars(roomgrid_level)["print"] = _silent
