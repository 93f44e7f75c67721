"""Writing files so that a crash or a full disk leaves the old content or the new, never half."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock

from film_rl.run.errors import UserError


def alone_with(path: Path) -> FileLock:
    """A context in which no other process is that asks for the same path; it waits for its turn."""
    return FileLock(path.with_name(f".{path.name}.lock"))


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut (Windows cannot open folders: no effect)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes) -> None:
    """Write `data` and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the content of `path` in one step: temporary file, fsync, rename."""
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        write_synced(temporary, data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        error.filename = str(path)  # a full disk names no file
        raise
    sync_folder(path.parent)


def to_json(value: Any) -> bytes:
    """`value` as readable JSON."""
    return (json.dumps(value, indent=1) + "\n").encode()


def read_json(path: Path) -> Any:
    """The content of a JSON file; UserError when it is missing or damaged."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"there is no {path}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error})") from None


def sha256(data: bytes) -> str:
    """The SHA-256 digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
