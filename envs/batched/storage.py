"""A bank's file: safetensors with a format version, facts as JSON and a checksum as metadata."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from envs.errors import EnvError

FORMAT, VERSION = "film-rl level bank", "1"
HEADER = {"format", "version", "facts", "sha256"}


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes a new file beside the old, then takes its place."""
    text = json.dumps(facts, sort_keys=True)
    header = {"format": FORMAT, "version": VERSION, "facts": text}
    header["sha256"] = _checksum(tensors, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(to_bytes({name: t.contiguous() for name, t in tensors.items()}, header))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(
    path: Path, dtypes: dict[str, torch.dtype], kinds: dict[str, Callable]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the tensors and facts that `save` was given; EnvError if they are not as saved."""
    if not path.is_file():
        raise EnvError(f"{path}: no such file; LevelBank.save writes one")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            _check_header(path, header)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, UnicodeDecodeError) as error:
        raise EnvError(f"{path} is no bank, or damaged: {error}; make the bank again") from error
    if _checksum(tensors, header["facts"]) != header["sha256"]:
        raise EnvError(f"{path} is damaged: its checksum differs; make the bank again")
    facts = json.loads(header["facts"])
    if {name: t.dtype for name, t in tensors.items()} != dtypes or facts.keys() != kinds.keys():
        raise EnvError(f"{path} does not hold what a bank holds; make the bank again")
    return tensors, {name: kinds[name](fact) for name, fact in facts.items()}


def _check_header(path: Path, header: dict[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise EnvError(f"{path} is not a bank of levels; LevelBank.save writes one")
    if header.get("version", VERSION) != VERSION:
        raise EnvError(
            f"{path} has format version {header['version']}; this program reads {VERSION}: "
            "make the bank again"
        )
    if header.keys() != HEADER:
        raise EnvError(f"{path} is damaged: its header has {sorted(header)}; make the bank again")


def _checksum(tensors: dict[str, Tensor], facts: str) -> str:
    """SHA-256 of the facts and of each tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
