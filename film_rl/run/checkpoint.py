"""Exact-resume checkpoints that survive a crash at any moment and never run code from a file.

    checkpoints/
        step_000000020480/
            manifest.json        format version, step, SHA-256 of each file and of itself
            state.json           everything that is not a tensor
            tensors.safetensors
        LAST                     the name of the newest complete one

A checkpoint is written into a temporary folder, fsynced, renamed, and only then does LAST move;
older ones go when the new one has been read back. Whenever a crash comes, LAST names a whole one.
"""

import errno
import json
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from film_rl.run.errors import UserError
from film_rl.run.files import (
    sha256,
    sync_folder,
    to_json,
    write_atomically,
    write_synced,
)
from film_rl.run.state import pack, unpack

FORMAT = 1
FILES = ("state.json", "tensors.safetensors")
NAME = re.compile(r"step_(\d{12})")


@dataclass(frozen=True)
class Checkpoint:
    """A loaded training state, the step it was taken at, and the digest of its tensors' file."""

    step: int
    state: Any
    sha256: str


class Checkpointer:
    """Saves and loads the checkpoints of one run. One process at a time (the run folder's lock).

    Args:
        folder: where they live; made on the first save.
        keep_last: how many to keep; at least 2, so that there is one to fall back on.
    """

    def __init__(self, folder: Path, keep_last: int = 2):
        if keep_last < 2:
            raise ValueError(
                f"keep_last = {keep_last}; at least 2 are needed to survive a damaged one"
            )
        self.folder = folder
        self.keep_last = keep_last

    def save(self, step: int, state: Any) -> Path:
        """Save a nested state of tensors, arrays, numbers, strings, lists, tuples and dicts.

        Where the newest good checkpoint is of this step already, it stays as it is: replacing it
        would leave a moment without any.

        Raises:
            UserError: the disk is full or cannot be written; earlier checkpoints are untouched.
        """
        target = self.folder / f"step_{step:012d}"
        if self._last() == target and _is_good(target):
            return target
        tensors, tree = pack(state)
        contents = {
            "state.json": to_json(tree),
            "tensors.safetensors": safetensors.torch.save(tensors),
        }
        temporary = self.folder / f".tmp-{target.name}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(temporary, step, contents)
            shutil.rmtree(target, ignore_errors=True)  # damaged, or LAST never got to name it
            temporary.rename(target)
            sync_folder(self.folder)
            write_atomically(self.folder / "LAST", f"{target.name}\n".encode())
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise _cannot_save(target, error, sum(map(len, contents.values()))) from error
        verify(target)
        self._prune(target)
        return target

    def load(self) -> Checkpoint | None:
        """The newest good checkpoint, or None where none was ever saved.

        A damaged one is passed over with a warning that names it and the one used instead.

        Raises:
            UserError: checkpoints exist and all of them are damaged.
        """
        damage: list[str] = []
        for folder in self._candidates(damage):
            try:
                checkpoint = read(folder)
            except UserError as error:
                damage.append(str(error))
                continue
            if damage:
                warnings.warn(f"{'; '.join(damage)}; going on from {folder}", stacklevel=2)
            return checkpoint
        if damage:
            raise UserError(f"no checkpoint is left to go on from: {'; '.join(damage)}")
        return None

    def _write(self, temporary: Path, step: int, contents: dict[str, bytes]) -> None:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for name, data in contents.items():
            write_synced(temporary / name, data)
        files = {name: sha256(data) for name, data in contents.items()}
        manifest = {"format": FORMAT, "step": step, "files": files}
        write_synced(temporary / "manifest.json", _signed(manifest))
        sync_folder(temporary)

    def _saved(self) -> list[Path]:
        """All complete checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        return sorted((p for p in self.folder.iterdir() if NAME.fullmatch(p.name)), reverse=True)

    def _candidates(self, damage: list[str]) -> list[Path]:
        """What to try in turn: the one LAST names, then older ones; all if LAST is damaged."""
        saved = self._saved()
        if not saved and not (self.folder / "LAST").exists():
            return []
        last = self._last()
        if last in saved:
            return saved[saved.index(last) :]
        damage.append(f"{self.folder / 'LAST'} names no checkpoint")
        return saved

    def _last(self) -> Path | None:
        """The folder that LAST names, which may not exist; None where LAST cannot be read."""
        try:
            return self.folder / (self.folder / "LAST").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None

    def _prune(self, last: Path) -> None:
        """Remove all but the newest few: older ones, half-written ones, and any LAST passed by."""
        saved = self._saved()
        place = saved.index(last)
        kept = saved[place : place + self.keep_last]
        for folder in {*saved, *self.folder.glob(".tmp-*")} - {*kept}:
            shutil.rmtree(folder, ignore_errors=True)


def _is_good(folder: Path) -> bool:
    try:
        verify(folder)
    except UserError:
        return False
    return True


def verify(folder: Path) -> tuple[int, dict[str, bytes]]:
    """The step and the files of a checkpoint folder, each checked against the manifest.

    Raises:
        UserError: a file is missing, cut short or changed.
    """
    manifest = _manifest(folder)
    contents = {}
    for name in FILES:
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise UserError(f"{folder} is damaged ({name}: {error.strerror})") from None
        if sha256(data) != manifest["files"][name]:
            raise UserError(f"{folder} is damaged ({name} does not match its SHA-256)")
        contents[name] = data
    return manifest["step"], contents


def read(folder: Path) -> Checkpoint:
    """Load one checkpoint folder; UserError when it is damaged or not a checkpoint."""
    step, contents = verify(folder)
    try:
        tensors = safetensors.torch.load(contents["tensors.safetensors"])
        state = unpack(json.loads(contents["state.json"]), tensors)
        return Checkpoint(step, state, sha256(contents["tensors.safetensors"]))
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{folder} is not a checkpoint of this program ({error})") from None


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        written = (folder / "manifest.json").read_bytes()
        manifest = json.loads(written)
        del manifest["sha256"]
        if written != _signed(manifest):
            raise ValueError("its own SHA-256 does not match")
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, this program reads {FORMAT}")
        if type(manifest["step"]) is not int or manifest["files"].keys() != set(FILES):
            raise ValueError(f"expected a step and the digests of {' and '.join(FILES)}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise UserError(f"{folder} is damaged (manifest.json: {error})") from None
    return dict(manifest)


def _signed(manifest: dict[str, Any]) -> bytes:
    """The manifest as it is written: JSON with the SHA-256 of the rest as its last field."""
    return to_json({**manifest, "sha256": sha256(to_json(manifest))})


def _cannot_save(target: Path, error: OSError, needed: int) -> UserError:
    message = f"cannot save {target}: {error.strerror}"
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        free = shutil.disk_usage(next(p for p in target.parents if p.exists())).free
        message += f" ({needed:,} bytes needed, {free:,} free)"
    return UserError(
        f"{message}; earlier checkpoints are whole: make room, then go on with the same command "
        "(a single run: with --run and --resume)"
    )
