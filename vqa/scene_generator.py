"""Scenes by CLEVR's rules (Johnson et al. 2017, section 3), in the official JSON form.

What the picture needs beyond that form (the jittered camera and lights, exactly) is under the key
`view`, which official readers ignore.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import numpy as np

from film_rl.errors import check_choice
from vqa.camera import DIRECTIONS, jittered_camera, relationships
from vqa.scenes import COLORS, MATERIALS, MOST_OBJECTS, SHAPES, SIZES, Scene

HALF_SIZES = {"large": 0.7, "small": 0.35}

HALF_FLOOR = 3.0  # objects stand on [-3, 3] x [-3, 3]
GAP = 0.25  # between the circles that objects occupy
AXIS_GAP = 0.4  # along every direction, so that left of and behind are never in doubt
PLACINGS = 50  # tries to place one object before the scene is begun anew
RESTARTS = 10_000
LIGHT_JITTER = 1.0
VISIBLE_PIXELS = 200  # of each object in the 480x320 image

_WARM = ("red", "green", "purple", "cyan")
_COOL = ("gray", "blue", "brown", "yellow")
_COGENT = {"A": {"cube": _COOL, "cylinder": _WARM}, "B": {"cube": _WARM, "cylinder": _COOL}}

Allowed = Callable[[Mapping[str, str]], bool]
"""Whether an object with these values (shape, size, material, color) may stand in a scene."""
Palette = Literal["all", "A", "B"] | Allowed


def generate_scenes(
    number: int, seed: int, *, first: int = 0, split: str = "new", **rules: Any
) -> list[Scene]:
    """Scenes `first` to `first + number - 1` of the endless series that `seed` and `rules` name.

    Each depends on `seed` and its own index only, not on how the series is cut. `rules` are those
    of `generate_scene`, and `visible_pixels`: scenes that show fewer pixels (in 480x320) of any
    object are made anew; 0 keeps them all.
    """
    visible_pixels = rules.pop("visible_pixels", VISIBLE_PIXELS)
    indices = range(first, first + number)
    rngs = {index: np.random.default_rng([seed, index]) for index in indices}
    scenes: dict[int, Scene] = {}
    missing = list(indices)
    for _ in range(RESTARTS):
        made = [generate_scene(rngs[i], index=i, split=split, **rules) for i in missing]
        shown = _all_visible(made, visible_pixels)
        scenes.update((i, s) for i, s, good in zip(missing, made, shown, strict=True) if good)
        missing = [i for i, good in zip(missing, shown, strict=True) if not good]
        if not missing:
            return [scenes[index] for index in indices]
    raise ValueError(
        f"no scene shows {visible_pixels} pixels of every object; expected a rule that scenes can "
        f"meet, such as visible_pixels={VISIBLE_PIXELS}"
    )


def generate_scene(
    rng: np.random.Generator,
    *,
    num_objects: tuple[int, int] = (3, 10),
    palette: Palette = "all",
    index: int = 0,
    split: str = "new",
) -> Scene:
    """One scene of `num_objects` (least, most) objects, in the official form.

    `palette` is CLEVR's ("all"), one of CoGenT's ("A": gray, blue, brown and yellow cubes, the
    other four colours for cylinders; "B" the other way round), or any rule of `Allowed` form.
    Raises ValueError where the rules leave nothing to place.
    """
    looks = check_rules(num_objects, palette)
    things = _place(rng, looks, int(rng.integers(num_objects[0], num_objects[1] + 1)))
    camera = jittered_camera(rng)
    light_jitter = rng.uniform(-LIGHT_JITTER, LIGHT_JITTER, (3, 3))
    coords_N3 = np.array([thing["3d_coords"] for thing in things])
    for thing, pixel in zip(things, camera.pixel_coords(coords_N3), strict=True):
        thing["pixel_coords"] = pixel
    return {
        "image_index": index,
        "objects": things,
        "relationships": relationships(coords_N3),
        "image_filename": f"CLEVR_{split}_{index:06d}.png",
        "split": split,
        "directions": {name: list(vector) for name, vector in DIRECTIONS.items()},
        "view": {"camera": list(camera.center), "light_jitter": light_jitter.tolist()},
    }


def check_rules(num_objects: tuple[int, int], palette: Palette) -> list[dict[str, str]]:
    """The looks that objects may have; a ValueError for rules that no scene can keep."""
    least, most = num_objects
    if not 1 <= least <= most <= MOST_OBJECTS:
        raise ValueError(
            f"num_objects={num_objects}; expected 1 <= least <= most <= {MOST_OBJECTS}: (3, 10)"
        )
    return permitted_looks(palette)


def scenes_file(scenes: Sequence[Scene], split: str) -> dict[str, Any]:
    """The contents of `CLEVR_{split}_scenes.json`."""
    info = {"split": split, "version": "1.0", "date": date.today().strftime("%m/%d/%Y")}
    return {
        "info": {**info, "license": "Creative Commons Attribution (CC BY 4.0)"},
        "scenes": scenes,
    }


def permitted_looks(palette: Palette) -> list[dict[str, str]]:
    """Every combination of shape, size, material and color that a palette lets stand in a scene."""
    allowed = palette if callable(palette) else _cogent_rule(palette)
    looks = [
        {"shape": shape, "size": size, "material": material, "color": color}
        for shape in SHAPES
        for size in SIZES
        for material in MATERIALS
        for color in COLORS
    ]
    if permitted := [look for look in looks if allowed(look)]:
        return permitted
    raise ValueError(
        "the palette allows no object at all; expected a rule that is true of at least one of the "
        "96 combinations of shape, size, material and color"
    )


def _cogent_rule(name: str) -> Allowed:
    check_choice("palette", name, ["all", *_COGENT])
    colors = _COGENT.get(name, {})
    return lambda look: look["color"] in colors.get(look["shape"], COLORS)


def _place(rng: np.random.Generator, looks: list[dict[str, str]], number: int) -> list[Scene]:
    """Objects on the floor with CLEVR's gaps between them, the first placed first."""
    for _ in range(RESTARTS):
        things: list[Scene] = []
        while len(things) < number and (thing := _stand(rng, looks, things)):
            things.append(thing)
        if len(things) == number:
            return things
    raise ValueError(f"no room for {number} objects of these looks; expected 10 or fewer")


def _stand(
    rng: np.random.Generator, looks: list[dict[str, str]], things: list[Scene]
) -> Scene | None:
    """One more object, or None where 50 random places are all too close to others."""
    look = _draw(rng, looks)
    size = HALF_SIZES[look["size"]]
    for x, y in rng.uniform(-HALF_FLOOR, HALF_FLOOR, (PLACINGS, 2)).tolist():
        if all(_apart(x, y, size, thing) for thing in things):
            return {**look, "rotation": rng.uniform(0, 360), "3d_coords": [x, y, size]}
    return None


def _draw(rng: np.random.Generator, looks: list[dict[str, str]]) -> dict[str, str]:
    """A look: the shape first, then the rest among what that shape may be, as CLEVR does."""
    shapes = sorted({look["shape"] for look in looks})
    shape = shapes[rng.integers(len(shapes))]
    of_shape = [look for look in looks if look["shape"] == shape]
    return of_shape[rng.integers(len(of_shape))]


def _apart(x: float, y: float, size: float, thing: Scene) -> bool:
    other_x, other_y, other_size = thing["3d_coords"]
    dx, dy = x - other_x, y - other_y
    right, behind = DIRECTIONS["right"], DIRECTIONS["behind"]
    return (
        math.hypot(dx, dy) - size - other_size >= GAP
        and abs(dx * right[0] + dy * right[1]) >= AXIS_GAP
        and abs(dx * behind[0] + dy * behind[1]) >= AXIS_GAP
    )


def _all_visible(scenes: list[Scene], pixels: float) -> list[bool]:
    """Per scene, whether every object shows at least `pixels` of a 480x320 image."""
    if pixels <= 0 or not scenes:
        return [True] * len(scenes)
    from vqa.render import visible_pixels  # noqa: PLC0415  (torch only where it is needed)

    return [min(counts) >= pixels for counts in visible_pixels(scenes)]
