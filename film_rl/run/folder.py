"""A run is a folder.

runs/<name>/
    config.json      what was asked for
    metrics.jsonl    what happened, a line a record
    tensorboard/  checkpoints/  plots/  videos/  crash/
    summary.json     the final figures
"""

import itertools
import os
import re
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self, TypeVar

from filelock import FileLock, Timeout

from film_rl.run.config import config_from_json, config_to_json, differences
from film_rl.run.errors import InUseError, UserError
from film_rl.run.files import read_json, to_json, write_atomically

T = TypeVar("T")

MOST_NAMED = 12  # runs in a message


class RunFolder:
    """One run on the disk. Enter it to lock it: a second process on the same folder is refused.

    Args:
        path: the folder, as the user types it (`runs/<name>`).
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self._lock, self._owner = FileLock(self.path / ".lock"), self.path / ".owner"

    @classmethod
    def create(cls, path: str | Path, config: Any) -> Self:
        """Make the folder and write its config.json.

        Raises:
            UserError: it holds a run already (with the fields in which that one differs), or cannot
                be written.
        """
        run = cls(path)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            with run:
                if run.config_path.exists():
                    raise UserError(run._occupied(config))
                write_atomically(run.config_path, to_json(config_to_json(config)))
        except OSError as error:
            raise UserError(
                f"cannot write the run folder {path}: {error.strerror}; choose another with --run"
            ) from error
        return run

    @classmethod
    def create_numbered(cls, root: Path, name: str, config: Any) -> Self:
        """Make `root/name`, or `root/name-2`, `-3` ... where that exists. See `create`."""
        for number in itertools.count(1):
            path = root / (slug(name) if number == 1 else f"{slug(name)}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError:
                break  # `create` says what is wrong
            break
        return cls.create(path, config)

    @classmethod
    def existing(cls, path: str | Path) -> Self:
        """An existing run; UserError (with the runs in it, or beside it) where there is none."""
        run = cls(path)
        if not run.config_path.is_file():
            inside = [*run.path.glob("*/config.json"), *run.path.glob("*/*/config.json")]  # a sweep
            others = inside or run.path.parent.glob("*/config.json")
            names = sorted(str(p.parent) for p in others)
            more = ["..."] if len(names) > MOST_NAMED else []
            known = f"; the runs there are: {', '.join(names[:MOST_NAMED] + more)}" if names else ""
            raise UserError(f"{path} is not a run folder (it has no config.json){known}")
        return run

    @property
    def config_path(self) -> Path:
        """Where the configuration stands."""
        return self.path / "config.json"

    def check_writable(self) -> None:
        """Raise a UserError where figures could not be written, before they are measured."""
        if not os.access(self.path, os.W_OK):
            raise UserError(
                f"{self.path} cannot be written, and the figures go there; copy it to a place that "
                "can be, and type --run with the copy"
            )

    def config(self, cls: type[T]) -> T:
        """The run's configuration; UserError when it is damaged or of another kind."""
        return config_from_json(cls, read_json(self.config_path), str(self.config_path))

    def folder(self, name: str) -> Path:
        """A sub-folder, made when it is first asked for."""
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def write_summary(self, figures: dict[str, Any]) -> Path:
        """Write summary.json, with the program's version and commit added."""
        path = self.path / "summary.json"
        write_atomically(
            path, to_json({**figures, "version": program_version(), "commit": commit()})
        )
        return path

    def summary(self) -> dict[str, Any] | None:
        """The final figures, or None while the run is not finished; UserError when damaged."""
        path = self.path / "summary.json"
        if not path.exists():
            return None
        try:
            figures = read_json(path)
            if not isinstance(figures, dict) or "commit" not in figures:
                raise UserError(f"{path} is not what this program wrote")
        except UserError as error:
            hint = f"remove it, then type --run {self.path} --resume to make it again"
            raise UserError(f"{error}; {hint}") from None
        return figures

    def __enter__(self) -> Self:
        try:
            self._lock.acquire(timeout=0)
            self._owner.write_text(f"{this_process()}\n", encoding="utf-8")
        except Timeout:
            raise InUseError(
                f"{self.path} is in use by {self.owner()}; wait for it, stop it, or choose another "
                "folder"
            ) from None
        except OSError as error:
            raise UserError(f"cannot write the run folder {self.path}: {error.strerror}") from error
        commit()  # of the source that runs, whatever becomes of it meanwhile
        return self

    def __exit__(self, *_: object) -> None:
        self._owner.unlink(missing_ok=True)
        self._lock.release()

    def owner(self) -> str:
        """Which process has locked it, where that is known."""
        try:
            return self._owner.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return "another process"

    def _occupied(self, config: Any) -> str:
        """Why a new run cannot start here."""
        changes = differences(self.config(type(config)), config)
        if not changes:
            return (
                f"{self.path} holds this run already; go on with --resume, or choose another --run"
            )
        listed = "\n  ".join(changes)
        return (
            f"{self.path} holds a run of another configuration; choose another --run:\n  {listed}"
        )


def slug(name: str) -> str:
    """A name as part of a path: `Go to the {color} ball` is `go-to-the-color-ball`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "run"


def this_process() -> str:
    """This process among those of all machines: `process 4711 on host`."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def program_version() -> str:
    """The installed version of this program."""
    try:
        return version("film-rl")
    except PackageNotFoundError:
        return "not installed"


@cache
def commit() -> str | None:
    """The source's git commit, with `+` where files changed since; None outside a checkout.

    It is that of the first call: the source may change while the process runs.
    """
    source = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
