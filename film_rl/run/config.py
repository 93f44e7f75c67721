"""Frozen configuration dataclasses <-> JSON, and the difference between two of them."""

import dataclasses
import types
import typing
from typing import Any, Literal, TypeVar

from film_rl.errors import did_you_mean
from film_rl.run.errors import UserError

T = TypeVar("T")


def config_to_json(config: Any) -> dict[str, Any]:
    """The fields of a flat configuration dataclass as JSON values (tuples become lists)."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def config_from_json(cls: type[T], data: Any, source: str) -> T:
    """Build `cls` from what `config_to_json` gave, checking names and types.

    Raises:
        UserError: a field is unknown, missing or of another type; `source` is named.
    """
    if not isinstance(data, dict):
        raise UserError(f"{source}: expected a JSON object, found {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    missing = [name for name in hints if name not in data]
    unknown = [name for name in data if name not in hints]
    if len(unknown) > 1 and len(missing) > 1:
        raise UserError(
            f"{source} is that of a run of another kind: it has {', '.join(unknown[:3])} ..., and "
            f"expected are {', '.join(missing[:3])} ...; give a run of the kind that --help names"
        )
    for name in data:
        if name not in hints:
            raise UserError(f"{source}: unknown field {name!r}{did_you_mean(name, hints)}")
    if missing:
        raise UserError(
            f"{source}: missing {', '.join(missing)} (was it written by another version?)"
        )
    values = {name: _convert(data[name], hint, f"{source}: {name}") for name, hint in hints.items()}
    return cls(**values)


def differences(saved: Any, given: Any) -> list[str]:
    """One line a field in which two configurations differ: `lr: 0.001 there, 0.01 given`."""
    before, after = config_to_json(saved), config_to_json(given)
    return [
        f"{k}: {before[k]!r} there, {after[k]!r} given" for k in before if before[k] != after[k]
    ]


def _convert(value: Any, hint: Any, where: str) -> Any:
    """`value` as the annotated type: a scalar, `X | None`, a Literal or `tuple[X, ...]`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        if value is None:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), where)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(item, arguments[0], where) for item in value)
    if origin is Literal and value in arguments:
        return value
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise UserError(f"{where} is {value!r}; expected {hint.__name__ if origin is None else hint}")
