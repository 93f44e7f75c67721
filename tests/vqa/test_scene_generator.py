"""Generated scenes keep CLEVR's rules."""

import json
import math

import numpy as np
import pytest

from vqa.camera import DIRECTIONS, fit_camera, relationships
from vqa.render import visible_pixels
from vqa.scene_generator import (
    HALF_SIZES,
    VISIBLE_PIXELS,
    generate_scene,
    generate_scenes,
    permitted_looks,
    scenes_file,
)
from vqa.scenes import SHAPES

SCENES = generate_scenes(40, seed=1, split="val")
COGENT_CUBES = {"A": {"gray", "blue", "brown", "yellow"}, "B": {"red", "green", "purple", "cyan"}}


def pairs(scene: dict) -> list[tuple[dict, dict]]:
    things = scene["objects"]
    return [(a, b) for i, a in enumerate(things) for b in things[:i]]


def test_objects_keep_their_distance_and_stand_on_the_floor() -> None:
    for scene in SCENES:
        for a, b in pairs(scene):
            apart = np.subtract(a["3d_coords"], b["3d_coords"])
            sizes = HALF_SIZES[a["size"]] + HALF_SIZES[b["size"]]
            assert math.hypot(apart[0], apart[1]) >= sizes + 0.25 - 1e-9
            assert abs(apart[:2] @ DIRECTIONS["right"][:2]) >= 0.4 - 1e-9
            assert abs(apart[:2] @ DIRECTIONS["behind"][:2]) >= 0.4 - 1e-9
        for thing in scene["objects"]:
            x, y, z = thing["3d_coords"]
            assert z == HALF_SIZES[thing["size"]]
            assert max(abs(x), abs(y)) <= 3
            assert 0 <= thing["rotation"] <= 360


def test_a_scene_has_the_official_keys_and_the_numbers_of_an_official_one() -> None:
    scene = SCENES[7]
    official = {"image_index", "objects", "relationships", "image_filename", "split", "directions"}
    assert set(scene) - {"view"} == official
    assert scene["image_filename"] == "CLEVR_val_000007.png"
    keys = {"shape", "size", "material", "color", "3d_coords", "rotation", "pixel_coords"}
    for thing in scene["objects"]:
        assert set(thing) == keys
        x, y, depth = thing["pixel_coords"]
        assert (type(x), type(y), type(depth)) == (int, int, float)
    text = json.dumps(scenes_file(SCENES, "val"))
    assert json.loads(text)["scenes"][7] == scene


def test_relationships_and_pixels_agree_with_the_coordinates() -> None:
    for scene in SCENES:
        coords_N3 = np.array([thing["3d_coords"] for thing in scene["objects"]])
        assert scene["relationships"] == relationships(coords_N3)
        pixels_N2, _ = fit_camera(scene).project(coords_N3)
        written_N3 = np.array([thing["pixel_coords"] for thing in scene["objects"]])
        assert np.abs(pixels_N2 - written_N3[:, :2]).max() < 1


def test_every_object_is_visible() -> None:
    assert min(min(counts) for counts in visible_pixels(SCENES)) >= VISIBLE_PIXELS


def test_a_scene_depends_on_seed_and_index_only() -> None:
    assert generate_scenes(3, seed=1, first=20, split="val") == SCENES[20:23]
    assert generate_scenes(3, seed=2, first=20, split="val") != SCENES[20:23]


@pytest.mark.parametrize("name", ["A", "B"])
def test_cogent_palettes_part_the_colours_of_cubes_and_cylinders(name: str) -> None:
    rng = np.random.default_rng(0)
    things = [t for _ in range(60) for t in generate_scene(rng, palette=name)["objects"]]
    seen = {s: {t["color"] for t in things if t["shape"] == s} for s in SHAPES}
    assert seen["cube"] == COGENT_CUBES[name]
    assert seen["cylinder"] == COGENT_CUBES["B" if name == "A" else "A"]
    assert seen["sphere"] == COGENT_CUBES["A"] | COGENT_CUBES["B"]


def test_any_rule_on_pairs_of_values_makes_a_split() -> None:
    rng = np.random.default_rng(0)

    def no_red_metal(look: dict[str, str]) -> bool:
        return (look["color"], look["material"]) != ("red", "metal")

    things = [t for _ in range(60) for t in generate_scene(rng, palette=no_red_metal)["objects"]]
    assert {t["material"] for t in things if t["color"] == "red"} == {"rubber"}
    assert {t["material"] for t in things} == {"rubber", "metal"}


def test_attributes_and_numbers_are_evenly_drawn() -> None:
    rng = np.random.default_rng(0)
    scenes = [generate_scene(rng) for _ in range(300)]
    numbers = np.bincount([len(scene["objects"]) for scene in scenes], minlength=11)
    assert numbers[:3].sum() == 0
    assert numbers[3:].min() > 20
    looks = [thing for scene in scenes for thing in scene["objects"]]
    for key, kinds in (("shape", 3), ("color", 8), ("material", 2)):
        _, counts = np.unique([look[key] for look in looks], return_counts=True)
        assert len(counts) == kinds
        assert counts.min() > 0.8 * counts.mean()


def test_a_number_of_objects_can_be_asked_for() -> None:
    scenes = generate_scenes(5, seed=0, num_objects=(4, 4))
    assert {len(scene["objects"]) for scene in scenes} == {4}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"palette": "C"}, "palette='C' is unknown; expected one of 'all', 'A', 'B'"),
        ({"palette": lambda look: False}, "allows no object at all"),
        ({"num_objects": (0, 3)}, r"num_objects=\(0, 3\); expected 1 <= least"),
        ({"num_objects": (5, 3)}, r"num_objects=\(5, 3\)"),
    ],
)
def test_rules_that_cannot_be_kept_are_named(rules: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate_scene(np.random.default_rng(0), **rules)


def test_all_96_looks_are_allowed_by_default() -> None:
    assert len(permitted_looks("all")) == 96
