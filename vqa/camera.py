"""CLEVR's camera and its directions (Johnson et al. 2017, section 3), in numpy.

A pinhole camera that looks at the origin from a jittered place; lengths are in world units, pixels
are those of the released 480x320 images. Legend: N objects, 3 world coordinates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTH, HEIGHT = 480, 320
FOCAL = 525.0  # pixels: a 35 mm lens before a sensor 32 mm (480 pixels) wide
CENTER = (7.48113, -6.50764, 5.34367)
JITTER = 0.5
# The released scenes measure left and right along the camera that has not been jittered.
DIRECTIONS: dict[str, tuple[float, float, float]] = {
    "right": (0.6563112735748291, 0.7544902563095093, 0.0),
    "behind": (-0.754490315914154, 0.6563112735748291, 0.0),
    "above": (0.0, 0.0, 1.0),
    "below": (0.0, 0.0, -1.0),
    "left": (-0.6563112735748291, -0.7544902563095093, 0.0),
    "front": (0.754490315914154, -0.6563112735748291, 0.0),
}
RELATIONS = ("right", "behind", "front", "left")
MARGIN = 0.2  # objects closer than this along a direction are not related by it


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at `center` that looks at the origin, z up."""

    center: tuple[float, float, float] = CENTER

    @cached_property
    def axes_33(self) -> Array:
        """Unit vectors of the image's x (right), its y (down) and the view (forward), as rows."""
        forward_3 = -np.asarray(self.center) / np.linalg.norm(self.center)
        right_3 = np.cross(forward_3, (0.0, 0.0, 1.0))
        right_3 /= np.linalg.norm(right_3)
        return np.stack([right_3, np.cross(forward_3, right_3), forward_3])

    def project(self, points_N3: Array) -> tuple[Array, Array]:
        """Where points are seen: pixels (N, 2) as x, y from the top left, and depths (N)."""
        seen_N3 = (np.asarray(points_N3) - self.center) @ self.axes_33.T
        depth_N = seen_N3[:, 2]
        return FOCAL * seen_N3[:, :2] / depth_N[:, None] + (WIDTH / 2, HEIGHT / 2), depth_N

    def pixel_coords(self, points_N3: Array) -> list[list[int | float]]:
        """Per point x, y (whole pixels) and depth, as the official scenes write them."""
        pixels_N2, depth_N = self.project(points_N3)
        return [
            [round(x), round(y), depth]
            for (x, y), depth in zip(pixels_N2.tolist(), depth_N.tolist(), strict=True)
        ]


def jittered_camera(rng: np.random.Generator) -> Camera:
    """A camera as CLEVR places it: the default one moved by U(-0.5, 0.5) along each axis."""
    x, y, z = (np.asarray(CENTER) + rng.uniform(-JITTER, JITTER, 3)).tolist()
    return Camera((x, y, z))


def fit_camera(scene: Mapping[str, Any]) -> Camera:
    """The camera whose projections are closest to a scene's `pixel_coords` (Gauss-Newton).

    Depth is worth 20 pixels a unit: it is what holds the distance in scenes of few objects.
    """
    points_N3 = np.array([thing["3d_coords"] for thing in scene["objects"]], dtype=float)
    seen_N3 = np.array([thing["pixel_coords"] for thing in scene["objects"]], dtype=float)

    def error(center_3: Array) -> Array:
        x, y, z = center_3.tolist()
        pixels_N2, depth_N = Camera((x, y, z)).project(points_N3)
        error_N3 = np.column_stack([pixels_N2, depth_N]) - seen_N3
        return np.ravel(error_N3 * (1.0, 1.0, 20.0))

    center_3, step = np.array(CENTER), 1e-5
    for _ in range(6):
        slopes = [(error(center_3 + step * axis) - error(center_3)) / step for axis in np.eye(3)]
        center_3 = center_3 - np.linalg.lstsq(np.stack(slopes, 1), error(center_3), rcond=None)[0]
    x, y, z = center_3.tolist()
    return Camera((x, y, z))


def relationships(
    coords_N3: Array, directions: Mapping[str, Sequence[float]] = DIRECTIONS
) -> dict[str, list[list[int]]]:
    """Per direction and object i, the sorted objects j with (p_j - p_i) . direction > 0.2."""
    related = {}
    for name in RELATIONS:
        along_N = coords_N3 @ np.asarray(directions[name], dtype=float)
        ahead_NN = along_N[None, :] - along_N[:, None] > MARGIN
        related[name] = [np.flatnonzero(row).tolist() for row in ahead_NN]
    return related
