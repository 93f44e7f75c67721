"""How every script reads its command line and ends: 2 for a mistake, 128 + n for a signal."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import tyro

T = TypeVar("T")

SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS}
PATH = {errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


def parse(config_class: type[T], description: str, default: T | None = None) -> T:
    """The command line as a configuration; options not given are those of `default`."""
    if default is None:
        return tyro.cli(config_class, description=description)
    return tyro.cli(config_class, description=description, default=default)


@contextmanager
def exit_status() -> Iterator[None]:
    """A user's mistake ends the script with its message and status 2, a signal with 128 + n."""
    try:
        yield
    except KeyboardInterrupt:
        _leave("stopped", 130)
    except OSError as error:
        if error.errno not in SPACE | ACCESS | PATH:
            raise
        where = f" {error.filename}" if error.filename else ""
        mend = "make room" if error.errno in SPACE else "choose a place that can be written"
        what = f"cannot write{where}: {error.strerror}; what was saved before is whole"
        _leave(f"error: {what}: {mend}, then type the command again", 2)
    except Exception as error:
        # The rooms are imported only now: a script that asks for help must not wait for torch.
        from envs import EnvError
        from film_rl.run import Interrupted, UserError

        if isinstance(error, Interrupted):
            _leave(str(error), 128 + error.signum)
        if isinstance(error, UserError | EnvError):
            _leave(f"error: {error}", 2)
        raise


def _leave(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)
