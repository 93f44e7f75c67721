"""Nested training state <-> (named tensors, JSON): what a checkpoint needs instead of pickle.

JSON carries str, int (any size), float (exact, NaN and infinity too), bool, None, lists and plain
dicts as they are. Everything else becomes a dict with the reserved key "!": tensors and arrays
point to an entry of the safetensors file; tuples and dicts with other keys say what they were.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

Tensors = dict[str, Tensor]
TAG = "!"


def pack(state: Any) -> tuple[Tensors, Any]:
    """Split `state` into tensors (by their path in it) and JSON. TypeError for anything unknown."""
    tensors: Tensors = {}
    return tensors, _pack(state, "state", tensors)


def unpack(tree: Any, tensors: Tensors) -> Any:
    """The inverse of `pack`. ValueError when the JSON names a tensor that is not there."""
    if isinstance(tree, list):
        return [unpack(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    match tree.get(TAG):
        case None:
            return {key: unpack(value, tensors) for key, value in tree.items()}
        case "tensor":
            return _lookup(tensors, tree["name"])
        case "array":
            return _lookup(tensors, tree["name"]).numpy()
        case "scalar":
            return _lookup(tensors, tree["name"]).numpy()[()]
        case "tuple":
            return tuple(unpack(item, tensors) for item in tree["items"])
        case "dict":
            return {unpack(k, tensors): unpack(v, tensors) for k, v in tree["items"]}
        case unknown:
            raise ValueError(f"unknown tag {unknown!r} in a checkpoint's state")


def _pack(value: Any, path: str, tensors: Tensors) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Tensor):
        return _store("tensor", value.detach(), path, tensors)
    if isinstance(value, np.generic):
        return _store("scalar", torch.from_numpy(np.array(value)), path, tensors)
    if isinstance(value, np.ndarray):
        return _store("array", torch.from_numpy(value.copy()), path, tensors)
    if isinstance(value, list):
        return [_pack(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
    if isinstance(value, tuple):
        items = [_pack(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
        return {TAG: "tuple", "items": items}
    if isinstance(value, dict):
        return _pack_dict(value, path, tensors)
    raise TypeError(
        f"cannot save {path}: a {type(value).__name__} is neither tensor, array nor JSON"
    )


def _pack_dict(value: dict[Any, Any], path: str, tensors: Tensors) -> Any:
    if all(isinstance(key, str) for key in value) and TAG not in value:
        return {key: _pack(item, f"{path}.{key}", tensors) for key, item in value.items()}
    pairs = [
        [_pack(key, f"{path}.{key}.key", tensors), _pack(item, f"{path}.{key}", tensors)]
        for key, item in value.items()
    ]
    return {TAG: "dict", "items": pairs}


def _store(kind: str, tensor: Tensor, path: str, tensors: Tensors) -> Any:
    name = path
    while name in tensors:  # {1: a, "1": b} would give two tensors one path
        name += "'"
    # A copy of its own: safetensors refuses shared memory, and the caller may go on writing.
    tensors[name] = tensor.cpu().contiguous().clone()
    return {TAG: kind, "name": name}


def _lookup(tensors: Tensors, name: str) -> Tensor:
    if name not in tensors:
        raise ValueError(f"the checkpoint's state names a tensor {name!r} that is not in it")
    return tensors[name]
