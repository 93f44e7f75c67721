"""CLEVR scenes in their official form: a dict with `objects`, `relationships`, `directions`, ..."""

from collections.abc import Mapping
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np

import vqa.camera
from film_rl.errors import did_you_mean
from vqa.camera import RELATIONS, relationships
from vqa.errors import DataError
from vqa.layout import scene_file
from vqa.records import read_records

SHAPES = ("cube", "sphere", "cylinder")
SIZES = ("large", "small")
MATERIALS = ("rubber", "metal")
COLORS = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
ATTRIBUTES = {"size": SIZES, "color": COLORS, "material": MATERIALS, "shape": SHAPES}
DIRECTIONS = ("left", "right", "front", "behind")
MOST_OBJECTS = 10  # the largest number among the answers

Scene = dict[str, Any]


def load_scenes(path: Path | str, split: str | None = None) -> list[Scene]:
    """The scenes of a file, or of a split of an official folder, checked.

    Raises:
        DataError: the file is damaged, or a scene is not as `check_scene` wants it.
    """
    file = Path(path) if split is None else scene_file(Path(path), split)
    scenes: list[Scene] = []
    directions: dict[str, Any] = {}
    for index, scene in enumerate(read_records(file, "scenes")):
        try:
            check_scene(scene)
        except ValueError as error:
            raise DataError(f"{file}, scene {index}: {error}") from None
        # Kept once: the words, and the directions, which are the same in all official scenes.
        for thing in scene["objects"]:
            thing |= {attribute: intern(thing[attribute]) for attribute in ATTRIBUTES}
        if "directions" in scene:
            scene["directions"] = directions.setdefault(
                str(scene["directions"]), scene["directions"]
            )
        scenes.append(scene)
    return scenes


def check_scene(scene: Scene) -> None:
    """Check what answering needs: index, attributes, coordinates, and relationships that fit them.

    Raises:
        ValueError: what is wrong, where, and what was expected.
    """
    check_record(scene, {"image_index": int, "image_filename": str, "objects": list})
    check_record(scene, {"relationships": dict})
    if len(scene["objects"]) > MOST_OBJECTS:
        raise ValueError(f"{len(scene['objects'])} objects; CLEVR counts to {MOST_OBJECTS}")
    for index, thing in enumerate(scene["objects"]):
        _check_object(index, thing)
    _check_relationships(scene)


def check_record(record: Any, kinds: Mapping[str, type]) -> None:
    """Raise a ValueError unless `record` is a dict whose keys have values of these types."""
    if not isinstance(record, dict):
        raise ValueError(f"is {record!r:.60}, expected a JSON object")
    for key, kind in kinds.items():
        # type(), not isinstance(): True is no index.
        if type(record.get(key)) is not kind:
            raise ValueError(f"{key!r} is {record.get(key)!r:.60}, expected {kind.__name__}")


def _check_object(index: int, thing: Any) -> None:
    check_record(thing, dict.fromkeys(ATTRIBUTES, str) | {"3d_coords": list})
    for attribute, values in ATTRIBUTES.items():
        value = thing[attribute]
        if value not in values:
            raise ValueError(
                f"object {index} has {attribute} {value!r}, expected one of {', '.join(values)}"
                f"{did_you_mean(value, values)}"
            )
    place = thing["3d_coords"]
    if not _is_vector(place):
        raise ValueError(f"object {index} lies at {place}, expected 3 finite numbers")


def _is_vector(value: Any) -> bool:
    is_three = isinstance(value, list | tuple) and len(value) == 3
    # Also false for NaN, and for an int too large to be a float.
    return is_three and all(isinstance(x, int | float) and abs(x) < 1e9 for x in value)


def _check_relationships(scene: Scene) -> None:
    """Each list must hold, sorted, the j with (p_j - p_i) . direction > margin."""
    directions = scene.get("directions", vqa.camera.DIRECTIONS)
    check_record(directions, {})
    coords_N3 = np.array([thing["3d_coords"] for thing in scene["objects"]]).reshape(-1, 3)
    for name in RELATIONS:
        if not _is_vector(direction := directions.get(name)):
            raise ValueError(f"directions[{name!r}] is {direction!r:.60}, expected 3 numbers")
    for name, expected in relationships(coords_N3, directions).items():
        given = scene["relationships"].get(name)
        if given != expected:
            raise ValueError(
                f"relationships[{name!r}] disagrees with 3d_coords: given {given}, "
                f"expected {expected}"
            )
