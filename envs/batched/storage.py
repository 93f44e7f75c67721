"""Files of tensors: safetensors with a format version, facts as JSON and a checksum as metadata."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from envs.errors import EnvError

HEADER = {"format", "version", "facts", "sha256"}


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        format, version: what stands in its header.
        what: what a file of it is, in an error.
        writer: what writes one.
        again: what to do about a damaged one.
        dtypes: of its tensors, by name.
        facts: its facts, and what makes one of what JSON gives back.
    """

    format: str
    version: str
    what: str
    writer: str
    again: str
    dtypes: dict[str, torch.dtype]
    facts: dict[str, Callable]


class Content(NamedTuple):
    """What `save` was given, and the checksum that it returned."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    sha256: str


def save(kind: Kind, path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> str:
    """Writes a new file beside the old, then takes its place; returns the content's checksum."""
    text = json.dumps(facts, sort_keys=True)
    header = {"format": kind.format, "version": kind.version, "facts": text}
    header["sha256"] = _checksum(tensors, text)
    data = to_bytes({name: t.contiguous() for name, t in tensors.items()}, header)
    write(path, _in_order(data))
    return header["sha256"]


def write(path: Path, data: bytes) -> None:
    """Writes a file that appears whole or not at all; OSError where there is no place for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # a full disk names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def load(kind: Kind, path: Path) -> Content:
    """Reads what `save` wrote; EnvError if it is not as saved."""
    if not path.is_file():
        raise EnvError(f"{path}: no such file; {kind.writer} writes one")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            _check_header(kind, path, header)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, UnicodeDecodeError) as error:
        raise EnvError(f"{path} is not {kind.what}, or damaged: {error}; {kind.again}") from error
    if _checksum(tensors, header["facts"]) != header["sha256"]:
        raise EnvError(f"{path} is damaged: its checksum differs; {kind.again}")
    facts = json.loads(header["facts"])
    dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
    if dtypes != kind.dtypes or facts.keys() != kind.facts.keys():
        raise EnvError(f"{path} does not hold what {kind.what} holds; {kind.again}")
    typed = {name: kind.facts[name](fact) for name, fact in facts.items()}
    return Content(tensors, typed, header["sha256"])


def _check_header(kind: Kind, path: Path, header: dict[str, str]) -> None:
    if header.get("format") != kind.format:
        raise EnvError(f"{path} is not {kind.what}; {kind.writer} writes one")
    if header.get("version", kind.version) != kind.version:
        raise EnvError(
            f"{path} has format version {header['version']}; this program reads {kind.version}: "
            f"{kind.again}"
        )
    if header.keys() != HEADER:
        raise EnvError(f"{path} is damaged: its header has {sorted(header)}; {kind.again}")


def _in_order(data: bytes) -> bytes:
    """The same safetensors with the header's keys sorted, which otherwise come as they like."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[start:]


def _checksum(tensors: dict[str, Tensor], facts: str) -> str:
    """SHA-256 of the facts and of each tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
