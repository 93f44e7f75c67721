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
    packer = _Packer()
    return packer.tensors, packer.pack(state, "state")


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


class _Packer:
    def __init__(self) -> None:
        self.tensors: Tensors = {}
        self._names: dict[Any, str] = {}

    def pack(self, value: Any, path: str) -> Any:
        if value is None or type(value) in (str, int, float, bool):
            return value
        if isinstance(value, Tensor):
            return {TAG: "tensor", "name": self._name(value.detach(), path)}
        if isinstance(value, np.generic):
            return {TAG: "scalar", "name": self._store(torch.from_numpy(np.array(value)), path)}
        if isinstance(value, np.ndarray):
            return {TAG: "array", "name": self._store(torch.from_numpy(value.copy()), path)}
        if isinstance(value, list):
            return [self.pack(item, f"{path}.{i}") for i, item in enumerate(value)]
        if isinstance(value, tuple):
            items = [self.pack(item, f"{path}.{i}") for i, item in enumerate(value)]
            return {TAG: "tuple", "items": items}
        if isinstance(value, dict):
            return self._pack_dict(value, path)
        kind = type(value).__name__
        raise TypeError(f"cannot save {path}: a {kind} is neither tensor, array nor JSON")

    def _pack_dict(self, value: dict[Any, Any], path: str) -> Any:
        if all(isinstance(key, str) for key in value) and TAG not in value:
            return {key: self.pack(item, f"{path}.{key}") for key, item in value.items()}
        pairs = [
            [self.pack(key, f"{path}.{key}.key"), self.pack(item, f"{path}.{key}")]
            for key, item in value.items()
        ]
        return {TAG: "dict", "items": pairs}

    def _name(self, tensor: Tensor, path: str) -> str:
        """Store a tensor once: SB3's policies list their features extractor three times."""
        same = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if same not in self._names or not tensor.numel():
            self._names[same] = self._store(tensor, path)
        return self._names[same]

    def _store(self, tensor: Tensor, path: str) -> str:
        while path in self.tensors:  # {1: a, "1": b} would give two tensors one path
            path += "'"
        # A copy: safetensors refuses shared memory, and the caller may go on writing.
        self.tensors[path] = tensor.cpu().contiguous().clone()
        return path


def _lookup(tensors: Tensors, name: str) -> Tensor:
    if name not in tensors:
        raise ValueError(f"the checkpoint's state names a tensor {name!r} that is not in it")
    return tensors[name]
