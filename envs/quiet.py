"""Keeps minigrid's level generator from writing to the user's terminal."""

import minigrid.envs.babyai.core.roomgrid_level as roomgrid_level


def _silent(*_: object) -> None:
    """Says nothing."""


# The generator draws worlds until one is valid and prints a line for each that is not, thousands in
# a training run. The module looks its `print` up by name, so giving it one of its own silences these
# lines and nothing else.
vars(roomgrid_level)["print"] = _silent
