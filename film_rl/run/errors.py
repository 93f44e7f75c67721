"""Errors that a user can mend: scripts print the message and exit with status 2."""


class UserError(ValueError):
    """Something the user gave or the machine lacks: says what, what was expected, what to type."""


class NonFiniteError(UserError):
    """A loss, gradient or parameter became NaN or infinite."""


class InUseError(UserError):
    """Another process has locked the run folder."""
