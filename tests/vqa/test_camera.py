"""The camera and the directions, against the real scenes."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.camera import CENTER, Camera, fit_camera, jittered_camera, relationships


@pytest.fixture(scope="module")
def scenes(clevr_samples: Path) -> list[dict]:
    files = sorted((clevr_samples / "CLEVR_v1.0" / "scenes").glob("*.json"))
    return [scene for file in files for scene in json.loads(file.read_text())["scenes"]]


@pytest.fixture(scope="module")
def cameras(scenes: list[dict]) -> list[Camera]:
    return [fit_camera(scene) for scene in scenes]


def coords(scene: dict) -> np.ndarray:
    return np.array([thing["3d_coords"] for thing in scene["objects"]])


def test_relationships_are_those_of_every_real_scene(scenes: list[dict]) -> None:
    assert len(scenes) == 750
    assert all(relationships(coords(scene)) == scene["relationships"] for scene in scenes)


def test_a_fitted_camera_sees_every_real_object_within_one_pixel(
    scenes: list[dict], cameras: list[Camera]
) -> None:
    for scene, camera in zip(scenes, cameras, strict=True):
        pixels_N2, depth_N = camera.project(coords(scene))
        official_N3 = np.array([thing["pixel_coords"] for thing in scene["objects"]])
        assert np.abs(pixels_N2 - official_N3[:, :2]).max() < 1
        assert np.abs(depth_N - official_N3[:, 2]).max() < 0.03


def test_fitted_cameras_lie_where_jittered_ones_do(cameras: list[Camera]) -> None:
    offsets = np.array([camera.center for camera in cameras]) - CENTER
    assert np.abs(offsets).max() < 0.55
    assert np.all(np.abs(offsets.mean(0)) < 0.05)
    assert np.allclose(offsets.std(0), 1 / np.sqrt(12), atol=0.03)


@given(st.integers(0, 2**32 - 1), st.integers(3, 10))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_the_camera_that_wrote_the_pixel_coords_is_found_again(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    camera = jittered_camera(rng)
    points_N3 = np.column_stack([rng.uniform(-3, 3, (number, 2)), np.full(number, 0.7)])
    places = zip(points_N3.tolist(), camera.pixel_coords(points_N3), strict=True)
    scene = {"objects": [{"3d_coords": p, "pixel_coords": q} for p, q in places]}
    assert np.allclose(fit_camera(scene).center, camera.center, atol=0.2)


def test_the_origin_is_seen_in_the_middle_and_up_is_up() -> None:
    camera = Camera()
    pixels_N2, depth_N = camera.project(np.array([[0.0, 0, 0], [0, 0, 1]]))
    assert pixels_N2[0] == pytest.approx([240, 160])
    assert depth_N[0] == pytest.approx(np.linalg.norm(CENTER))
    assert pixels_N2[1, 0] == pytest.approx(240)
    assert pixels_N2[1, 1] < 160


def test_axes_are_orthonormal() -> None:
    axes_33 = jittered_camera(np.random.default_rng(3)).axes_33
    assert axes_33 @ axes_33.T == pytest.approx(np.eye(3))


def test_directions_are_opposite_in_pairs() -> None:
    points_N3 = np.random.default_rng(0).uniform(-3, 3, (8, 3))
    related = relationships(points_N3)
    for one, other in (("left", "right"), ("front", "behind")):
        for i in range(8):
            assert all((i in related[other][j]) for j in related[one][i])
