"""Where rays meet CLEVR's three solids: spheres, cylinders and cubes with rounded edges.

Every solid is the common part of simple convex ones: a quadric (ball or tube) and slabs. A ray is
inside it from the last entry to the first exit, so one formula without branches serves all three.
Solids are of half-size 1 in their own coordinates: centred, turned about z, divided by their size.

Legend: N scenes, K solids, R rays; a leading 3 is x, y, z; a 1 is an axis to broadcast along.
"""

from typing import NamedTuple

import torch
from torch import Tensor

FAR = 1e6  # stands for infinity where infinity would turn into nan
ROUNDING = 0.15  # radius of the rounded edges of a cube or cylinder of half-size 1
TOUCHING = 1e-3
# A slab |x + y| <= BEVEL just touches the rounded edge between |x| <= 1 and |y| <= 1.
BEVEL = 2 - ROUNDING * (2 - 2**0.5)


class Solids(NamedTuple):
    """Places, sizes, turns and kinds of solids. Flags are 1.0 or 0.0."""

    center: Tensor  # (3, N, K, 1)
    size: Tensor  # (N, K, 1); half the width
    cos: Tensor  # (N, K, 1); of the turn about z
    sin: Tensor
    cube: Tensor  # (N, K, 1)
    sphere: Tensor


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product over the leading axis of 3."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(a: Tensor) -> Tensor:
    """Vectors of length 1 along the leading axis of 3."""
    return a * torch.rsqrt(dot(a, a).clamp_min(1e-12))


def turned(solids: Solids, a: Tensor, sign: float = 1.0) -> Tensor:
    """World vectors in the solids' own directions (sign = -1: the way back)."""
    sin = solids.sin * sign
    x = solids.cos * a[0] + sin * a[1]
    y = solids.cos * a[1] - sin * a[0]
    return torch.stack([x, y, a[2].expand_as(x)])


def distances(solids: Solids, origin_3N1R: Tensor, ray_3N1R: Tensor) -> Tensor:
    """Distances (N, K, R) along unit rays to where they enter each solid; FAR where they miss."""
    o = turned(solids, origin_3N1R - solids.center) / solids.size
    d = turned(solids, ray_3N1R) / solids.size
    d = torch.where(d.abs() < 1e-7, torch.full_like(d, 1e-7), d)
    tube = 1 - solids.cube
    wide = FAR * tube  # the slabs that only a cube has
    enter, leave = _quadric(o, d, solids.sphere, 1 + FAR * solids.cube)
    slabs = [(o[0], d[0], 1 + wide), (o[1], d[1], 1 + wide), (o[2], d[2], 1 + FAR * solids.sphere)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        slabs.append((o[i] + o[j], d[i] + d[j], BEVEL + wide))
        slabs.append((o[i] - o[j], d[i] - d[j], BEVEL + wide))
    for o_NKR, d_NKR, half in slabs:
        slab_enter, slab_leave = _slab(o_NKR, d_NKR, half)
        enter, leave = torch.maximum(enter, slab_enter), torch.minimum(leave, slab_leave)
    return torch.where((enter < leave) & (enter > TOUCHING), enter, FAR)


def _quadric(o: Tensor, d: Tensor, z_weight: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
    """Entry and exit of x^2 + y^2 + z_weight z^2 <= square."""
    a = d[0] * d[0] + d[1] * d[1] + z_weight * d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + z_weight * o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + z_weight * o[2] * o[2] - square
    under_root = b * b - a * c
    root = under_root.clamp_min(0).sqrt()
    enter = torch.where(under_root > 0, (-b - root) / a, FAR)
    return enter, (-b + root) / a


def _slab(o: Tensor, d: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Entry and exit of |o + t d| <= half."""
    inverse = 1 / torch.where(d.abs() < 1e-7, 1e-7, d)
    middle, reach = -o * inverse, half * inverse.abs()
    return middle - reach, middle + reach


def normals(solids: Solids, point_3NKR: Tensor) -> Tensor:
    """Unit normals of the solids at points on them, as if their edges were round."""
    p = turned(solids, point_3NKR - solids.center) / solids.size
    core = 1 - ROUNDING
    beyond = torch.sign(p) * (p.abs() - core).clamp_min(0)  # from the nearest point of the core
    out = torch.sqrt(p[0] * p[0] + p[1] * p[1]).clamp_min(1e-6)
    radial = (out - core).clamp_min(0) / out
    tube = torch.stack([p[0] * radial, p[1] * radial, beyond[2]])
    n = torch.where(solids.cube > 0, beyond, torch.where(solids.sphere > 0, p, tube))
    return unit(turned(solids, n, -1.0))


def clearance(solids: Solids, origin_3N1R: Tensor, ray_3N1R: Tensor) -> tuple[Tensor, Tensor]:
    """How far (signed) each surface is from unit rays, and where along them: both (N, K, R).

    Measured at the point of the ray nearest to the solid's centre: exact for spheres, close for
    the others. It is what soft shadows are made of.
    """
    from_center = origin_3N1R - solids.center
    along = -dot(from_center, ray_3N1R)
    nearest = from_center + along.clamp_min(0) * ray_3N1R
    p = turned(solids, nearest) / solids.size
    out = torch.sqrt(p[0] * p[0] + p[1] * p[1] + 1e-12)
    a = torch.where(solids.cube > 0, p[0].abs(), out) - 1
    b = torch.where(solids.cube > 0, p[1].abs() - 1, -1.0)
    c = p[2].abs() - 1
    inside = torch.maximum(torch.maximum(a, b), c).clamp_max(0)
    a, b, c = a.clamp_min(0), b.clamp_min(0), c.clamp_min(0)
    boxy = torch.sqrt(a * a + b * b + c * c + 1e-12) + inside
    ball = torch.sqrt(out * out + p[2] * p[2]) - 1
    return solids.size * torch.where(solids.sphere > 0, ball, boxy), along
