"""Pictures show what scenes say, whatever the batch, the size and the number of rays."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vqa.camera import Camera
from vqa.ray_casting import FAR, ROUNDING, Solids, distances, normals
from vqa.render import object_ids, render, tile_grid, untiled, visible_pixels
from vqa.scene_generator import generate_scenes
from vqa.scenes import load_scenes

ROOT = Path(__file__).resolve().parents[2]
SCENES = generate_scenes(6, seed=5, visible_pixels=0)
KINDS = {"sphere": (0.0, 1.0), "cylinder": (0.0, 0.0), "cube": (1.0, 0.0)}


def solid(shape: str, turn: float = 0.0) -> Solids:
    """One solid of half-size 0.7 at (0.5, 0, 0.7)."""

    def value(number: float) -> torch.Tensor:
        return torch.full((1, 1, 1), number)

    cube, sphere = KINDS[shape]
    center = torch.tensor([0.5, 0.0, 0.7]).view(3, 1, 1, 1)
    flags = value(cube), value(sphere)
    return Solids(center, value(0.7), value(np.cos(turn)), value(np.sin(turn)), *flags)


def distance_along(shape: str, start: list[float], ray: list[float], turn: float = 0.0) -> float:
    origin, direction = (torch.tensor(v).view(3, 1, 1, 1) for v in (start, ray))
    return distances(solid(shape, turn), origin, direction).item()


@pytest.mark.parametrize("shape", KINDS)
def test_rays_through_the_middle_meet_every_solid_half_its_width_before(shape: str) -> None:
    assert distance_along(shape, [5.0, 0, 0.7], [-1.0, 0, 0]) == pytest.approx(3.8)
    assert distance_along(shape, [0.5, 0, 9.0], [0.0, 0, -1]) == pytest.approx(7.6)


@pytest.mark.parametrize("shape", KINDS)
def test_rays_beside_or_behind_miss(shape: str) -> None:
    assert distance_along(shape, [5.0, 1.0, 0.7], [-1.0, 0, 0]) == FAR
    assert distance_along(shape, [5.0, 0, 0.7], [1.0, 0, 0]) == FAR


def test_rotation_turns_cubes_by_radians() -> None:
    corner = 0.7 * (2 - ROUNDING * (2 - 2**0.5)) / 2**0.5  # half the diagonal, its edge cut off
    met = distance_along("cube", [5.0, 0, 0.7], [-1.0, 0, 0], turn=np.pi / 4)
    assert met == pytest.approx(4.5 - corner, abs=1e-4)
    assert distance_along("cylinder", [5.0, 0, 0.7], [-1.0, 0, 0], turn=1.0) == pytest.approx(3.8)


@pytest.mark.parametrize("shape", KINDS)
def test_normals_point_outwards(shape: str) -> None:
    points = torch.tensor([[1.2, 0.0, 0.7], [0.5, 0.0, 1.4]]).T.view(3, 1, 1, 2)
    n = normals(solid(shape), points).squeeze()
    assert n.T.numpy() == pytest.approx(np.array([[1.0, 0, 0], [0, 0, 1]]), abs=1e-5)


def test_unhidden_objects_are_seen_where_pixel_coords_say() -> None:
    ids = object_ids(SCENES).numpy()
    for scene, seen in zip(SCENES, ids, strict=True):
        nearest = min(scene["objects"], key=lambda thing: thing["pixel_coords"][2])
        x, y, _ = nearest["pixel_coords"]
        assert seen[y, x] == scene["objects"].index(nearest)


def test_a_sphere_covers_the_pixels_that_geometry_gives_it() -> None:
    thing = {"shape": "sphere", "size": "large", "material": "rubber", "color": "red"}
    scene = {
        "objects": [{**thing, "3d_coords": [0.0, 0.0, 0.7], "rotation": 0.0}],
        "view": {"camera": Camera().center},
    }
    (ids,) = object_ids([scene])
    y, x = np.mgrid[0:320, 0:480] + 0.5
    camera = Camera()
    ray = np.stack([(x - 240) / 525, (y - 160) / 525, np.ones_like(x)], -1) @ camera.axes_33
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    to_center = np.array([0, 0, 0.7]) - camera.center
    miss = np.linalg.norm(to_center - (ray @ to_center)[..., None] * ray, axis=-1)
    assert np.mean((ids.numpy() == 0) != (miss < 0.7)) < 1e-4


def test_a_picture_does_not_depend_on_its_batch() -> None:
    together = render(SCENES, 48, 40)
    assert torch.equal(together[3:4], render(SCENES[3:4], 48, 40))
    assert torch.equal(together, render(SCENES, 48, 40))


def test_no_scenes_make_no_pictures_and_an_empty_floor_makes_one() -> None:
    assert render([], 8, 8).shape == (0, 3, 8, 8)
    assert generate_scenes(0, seed=0) == []
    (floor,) = render([{"objects": [], "view": {"camera": Camera().center}}], 24, 16).float()
    assert floor.std() < 20
    assert floor.min() > 60


def test_any_size_shows_the_same_frame() -> None:
    large, small = render(SCENES[:2], 96, 64).float(), render(SCENES[:2], 50, 30).float()
    resized = torch.nn.functional.interpolate(large, (30, 50), mode="area")
    assert (resized - small).abs().mean() < 3


def test_objects_have_their_colour_and_the_floor_is_grey() -> None:
    images, ids = render(SCENES, 240, 160).float(), object_ids(SCENES, 240, 160)
    for scene, image, seen in zip(SCENES, images, ids, strict=True):
        floor = image[:, seen < 0].mean(1)
        assert floor.max() - floor.min() < 8
        for number, thing in enumerate(scene["objects"]):
            red, green, blue = image[:, seen == number].mean(1).tolist()
            if thing["color"] == "red":
                assert red > max(green, blue) + 15
            if thing["color"] == "blue":
                assert blue > max(red, green) + 15


def test_visible_pixels_are_about_those_of_the_full_image() -> None:
    ids = object_ids(SCENES)
    for scene, seen, counts in zip(SCENES, ids, visible_pixels(SCENES), strict=True):
        full = [int((seen == number).sum()) for number in range(len(scene["objects"]))]
        assert np.allclose(counts, full, rtol=0.1, atol=80)


def test_shadows_darken_the_floor_and_lamps_that_move_move_them() -> None:
    scene = SCENES[0]
    moved = {**scene, "view": {**scene["view"], "light_jitter": [[0, 3.0, 0]] * 3}}
    one, other = render([scene, moved], 96, 64).float()
    assert 0.5 < (one - other).abs().mean() < 30


def test_untiled_puts_every_pixel_in_its_place() -> None:
    grid = tile_grid(20, 12, 1, "cpu").flatten(1)
    x, y = untiled(grid, 20, 12)
    assert torch.allclose(x[0], (torch.arange(20) + 0.5) * 24 - 240)
    assert torch.allclose(y[:, 0], (torch.arange(12) + 0.5) * 320 / 12 - 160)


def test_real_scenes_are_drawn_much_like_the_real_images(clevr_samples):
    root = clevr_samples / "CLEVR_v1.0"
    scenes = load_scenes(root, "train")[:4]
    paths = [root / "images" / "train" / scene["image_filename"] for scene in scenes]
    images = np.stack([np.array(Image.open(path).convert("RGB")) for path in paths])
    real = torch.tensor(images).permute(0, 3, 1, 2).float()
    drawn = render(scenes, 120, 80).float()
    apart = (drawn - torch.nn.functional.interpolate(real, (80, 120), mode="area")).abs()
    assert apart.mean((1, 2, 3)).max() < 6
    assert apart.mean() < 4


def test_the_written_figures_are_those_of_the_images():
    written = json.loads((ROOT / "docs" / "results" / "clevr_render.json").read_text())
    each = [value for name, value in written["figures"].items() if name != "mean"]
    assert written["figures"]["mean"] == pytest.approx(sum(each) / len(each), abs=0.01)
    assert (ROOT / "docs" / "media" / "clevr_renders.png").stat().st_size < 700_000
