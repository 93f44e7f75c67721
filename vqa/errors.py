"""Errors of the data: scripts print the message and exit with status 2."""

from film_rl.run.errors import UserError


class DataError(UserError):
    """Data that cannot be used: names the file and the index, says what is wrong with it."""
