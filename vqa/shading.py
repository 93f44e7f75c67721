"""How light makes CLEVR's picture: three area lights, soft shadows, rubber, metal and the floor.

Colours are linear RGB. Legend: N scenes, K solids, R rays, 3 x, y, z (leading), C = 3 colours
(leading), L lamps. A 1 is an axis to broadcast along.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from vqa.camera import FOCAL
from vqa.ray_casting import FAR, Solids, clearance, distances, dot, normals, unit

Look = dict[str, Tensor]


class World(NamedTuple):
    """What rays can meet, and what lights it."""

    solids: Solids
    paint: Tensor  # (C, N, K, 1); colour of each solid
    metal: Tensor  # (N, K, 1); 1.0 or 0.0
    lamps: Tensor  # (L, 3, N, 1, 1); places
    eye: Tensor  # (3, N, 1, 1); the camera's place
    axes: Tensor  # (3 axes, 3, N, 1, 1); of its image: right, down, forward

    def at(self, scene_M: Tensor) -> "World":
        """The surroundings of M single rays, each in a scene of its own: N = 1, R = M."""

        def spread(values: Tensor) -> Tensor:
            return values.squeeze(-1).index_select(-2, scene_M).transpose(-1, -2).unsqueeze(-3)

        solids = Solids(*map(spread, self.solids))
        return World(solids, *(spread(values) for values in self[1:]))


class Surface(NamedTuple):
    """The points that rays meet; attributes of the solid met are picked out per ray."""

    number: Tensor  # (N, 1, R); of the solid in its scene, -1 for the floor, -2 for the sky
    point: Tensor  # (3, N, 1, R)
    normal: Tensor  # (3, N, 1, R)
    paint: Tensor  # (C, N, 1, R)


def view_rays(world: World, grid_2R: Tensor) -> Tensor:
    """Unit rays (3, N, 1, R) from the eye through places x, y of the frame, from its middle."""
    right, down, forward = world.axes
    return unit(right * grid_2R[0] + down * grid_2R[1] + forward * FOCAL)


def floor_light(world: World, look: Look, ray_3N1R: Tensor, tile: int) -> Tensor:
    """Light (C, N, 1, R) off the floor along rays that go down; `tile` rays in a row are close."""
    point = world.eye - world.eye[2] / ray_3N1R[2] * ray_3N1R
    number = torch.full_like(point[0], -1, dtype=torch.long)
    seen = Surface(number, point, _up(point), _rgb(look["floor"]))
    return seen.paint * irradiance(world, look, seen, tiles_lit(world, look, point, tile))


def surface(world: World, index_N1R: Tensor, point_3N1R: Tensor) -> Surface:
    """The surface of known solids at points of theirs."""
    normal = normals(Solids(*(pick(values, index_N1R) for values in world.solids)), point_3N1R)
    return Surface(index_N1R, point_3N1R, normal, pick(world.paint, index_N1R))


def solid_light(world: World, look: Look, seen: Surface, ray_3N1R: Tensor) -> Tensor:
    """Light (C, N, 1, R) off the solids that rays meet, without what metal mirrors."""
    light = seen.paint * irradiance(world, look, seen, _lit(world, look, seen))
    mirrored = ray_3N1R - 2 * dot(ray_3N1R, seen.normal) * seen.normal
    gloss = highlights(world, look["gloss"], mirrored, seen, look["gloss_width"])
    brushed = 1 - pick(world.solids.sphere, seen.number)
    matte = look["ball_matte"].lerp(look["metal_matte"], brushed)
    return torch.where(pick(world.metal, seen.number) > 0, matte * light, light + gloss)


def mirror_light(world: World, look: Look, seen: Surface, ray_3N1R: Tensor) -> Tensor:
    """What metal (C, N, 1, R) mirrors: the floor, other solids, the sky and the lamps."""
    mirrored = unit(ray_3N1R - 2 * dot(ray_3N1R, seen.normal) * seen.normal)
    met = first_met(world, look, seen.point, mirrored)
    image = met.paint * irradiance(world, look, met, _lit(world, look, met))
    height = mirrored[2].clamp_min(0)
    sky = _rgb(look["sky_low"]) * (1 - height) + _rgb(look["sky_high"]) * height
    # Cylinders and cubes are brushed along their sides, and mirror more of the room than balls.
    brushed = 1 - pick(world.solids.sphere, seen.number)
    one = torch.ones_like(look["ball_sky"])
    image = torch.where(met.number == -2, sky * torch.lerp(look["ball_sky"], one, brushed), image)
    sharp = highlights(world, look["sparks"], mirrored, seen, look["spark_width"])
    smear = highlights(world, look["smears"], mirrored, seen, look["smear_width"])
    lamps = torch.where(met.number >= 0, 0.0, sharp + smear)
    mirror = look["ball_mirror"].lerp(look["metal_mirror"], brushed)
    return seen.paint * (mirror * image + lamps)


def first_met(world: World, look: Look, origin_3N1R: Tensor, ray_3N1R: Tensor) -> Surface:
    """The nearest surface along unit rays: a solid, the floor (z = 0), or nothing (the sky)."""
    nearest_N1R, winner_N1R = distances(world.solids, origin_3N1R, ray_3N1R).min(1, keepdim=True)
    z, dz = origin_3N1R[2], ray_3N1R[2]
    floor_N1R = torch.where(dz < -1e-6, -z / dz.clamp_max(-1e-6), FAR)
    distance_N1R = torch.minimum(nearest_N1R, floor_N1R)
    on_solid = nearest_N1R < floor_N1R
    index = torch.where(on_solid, winner_N1R, torch.where(distance_N1R < FAR, -1, -2))
    point = origin_3N1R + distance_N1R.clamp_max(100.0) * ray_3N1R
    solid = surface(world, winner_N1R, point)
    normal = torch.where(on_solid, solid.normal, _up(point))
    paint = torch.where(on_solid, solid.paint, _rgb(look["floor"]))
    return Surface(index, point, normal, paint)


def irradiance(world: World, look: Look, seen: Surface, lit_LN1R: Tensor) -> Tensor:
    """Light (C, N, 1, R) that falls on surfaces from the sky, off the floor and from lamps."""
    up = 0.5 + 0.5 * seen.normal[2]
    around = _rgb(look["ambient"]) * up + _rgb(look["bounce"]) * (1 - up)
    total = around * _openness(world.solids, look, seen)
    for number, lamp_3N11 in enumerate(world.lamps):
        towards = lamp_3N11 - seen.point
        square = dot(towards, towards)
        towards = towards * torch.rsqrt(square)
        facing = dot(seen.normal, towards).clamp_min(0)
        # A lamp is a disc that looks at the origin: it gives less to the side.
        aimed = dot(unit(lamp_3N11), towards).clamp_min(0)
        given = facing * aimed / square
        total = total + _rgb(look["lamps"][number]) * given * lit_LN1R[number]
    return total


def highlights(
    world: World, bright_LC: Tensor, mirrored_3N1R: Tensor, seen: Surface, width_L: Tensor
) -> Tensor:
    """Mirror images (C, N, 1, R) of the lamps, blurred to angular widths (radians)."""
    total = torch.zeros_like(mirrored_3N1R)
    for number, lamp_3N11 in enumerate(world.lamps):
        towards = lamp_3N11 - seen.point
        square = dot(towards, towards)
        closeness = dot(mirrored_3N1R, towards) * torch.rsqrt(square)
        glow = torch.exp((closeness - 1) * 2 / width_L[number] ** 2)
        total = total + _rgb(bright_LC[number]) * glow
    return total


def _lit(world: World, look: Look, seen: Surface) -> Tensor:
    """Share (L, N, 1, R) of each lamp that no other solid hides."""
    shares = []
    for lamp_3N11, radius in zip(world.lamps, look["lamp_radius"], strict=True):
        hidden_NKR = _hidden(world.solids, seen.point, lamp_3N11, radius)
        others = torch.where(_own(seen, hidden_NKR), 0.0, hidden_NKR)
        shares.append(1 - others.amax(1, keepdim=True))
    return torch.stack(shares)


def _hidden(solids: Solids, point: Tensor, lamp: Tensor, radius: Tensor) -> Tensor:
    """Share (N, K, R) of a lamp, a disc of some radius, that each solid hides from points."""
    towards = lamp - point
    reach = dot(towards, towards).sqrt()
    gap_NKR, along_NKR = clearance(solids, point, towards / reach)
    half_shade = radius * along_NKR.clamp_min(0.02) / reach
    hidden = 0.5 - 0.5 * (gap_NKR / half_shade).clamp(-1, 1)
    return torch.where(along_NKR > 0, hidden, 0.0)


def tiles_lit(world: World, look: Look, point_3N1R: Tensor, tile: int) -> Tensor:
    """Share (L, N, 1, R) of each lamp that no solid hides from the floor, tile by tile.

    A solid is tried only on tiles that its shadow can reach.
    """
    point_3NTP = point_3N1R.squeeze(2).unflatten(-1, (-1, tile))
    lamps = world.lamps.squeeze(-1)
    lamp_M, scene_M, solid_M, tile_M = torch.nonzero(_shaded(world, look, point_3NTP)).unbind(1)
    # One candidate (lamp, scene, solid, tile) a row: N is 1 and K is M.
    solids = Solids(*(v[..., scene_M, solid_M, :].unsqueeze(-3) for v in world.solids))
    hidden_MP = _hidden(
        solids,
        point_3NTP[:, scene_M, tile_M].unsqueeze(1),
        lamps[lamp_M, :, scene_M].transpose(0, 1).unsqueeze(1),
        look["lamp_radius"][lamp_M].view(1, -1, 1),
    ).squeeze(0)
    _, scenes, tiles, _ = point_3NTP.shape
    row_MP = ((lamp_M * scenes + scene_M) * tiles + tile_M)[:, None].expand_as(hidden_MP)
    lit = torch.ones(len(lamps) * scenes * tiles, tile, device=hidden_MP.device)
    lit = lit.scatter_reduce(0, row_MP, 1 - hidden_MP, "amin")
    return lit.view(len(lamps), scenes, 1, tiles * tile)


def _shaded(world: World, look: Look, point_3NTP: Tensor) -> Tensor:
    """Which tiles the ball around each solid may shade from each lamp (L, N, K, T)."""
    low, high = point_3NTP.amin(-1), point_3NTP.amax(-1)
    center_3N1T, spread = ((low + high) / 2).unsqueeze(2), (high - low).unsqueeze(2) / 2
    spread_N1T = dot(spread, spread).sqrt()
    solids = world.solids
    ball_NK1 = solids.size * (2 + solids.cube - solids.sphere).sqrt()  # around each solid
    reached = []
    for lamp_3N11, radius in zip(world.lamps, look["lamp_radius"], strict=True):
        towards = lamp_3N11 - center_3N1T
        reach = dot(towards, towards).sqrt()
        from_solid = center_3N1T - solids.center
        along = -dot(from_solid, towards / reach)
        nearest = from_solid + along.clamp_min(0) * towards / reach
        shade = radius * (along + spread_N1T).clamp_min(0.02) / (reach - spread_N1T).clamp_min(0.1)
        reached.append(dot(nearest, nearest).sqrt() < ball_NK1 + spread_N1T + shade)
    return torch.stack(reached)


def _openness(solids: Solids, look: Look, seen: Surface) -> Tensor:
    """Share (N, 1, R) of the sky that the solid most in the way leaves, solids taken for balls."""
    to_center = solids.center - seen.point
    square = dot(to_center, to_center)
    facing = dot(seen.normal, to_center) * torch.rsqrt(square)
    hidden = (solids.size * solids.size / square).clamp_max(1.0) * (0.5 * facing + 0.5)
    hidden = torch.where(_own(seen, square) | (square > 100), 0.0, look["occlusion"] * hidden)
    return 1 - hidden.amax(1, keepdim=True)


def _own(seen: Surface, like_NKR: Tensor) -> Tensor:
    """Which solid (N, K, R) each point lies on: a convex solid never shades itself."""
    slots = torch.arange(like_NKR.shape[1], device=like_NKR.device)
    return seen.number == slots.view(1, -1, 1)


def pick(values: Tensor, winner_N1R: Tensor) -> Tensor:
    """Attributes of the winning solid of each ray: (..., N, K, 1 or R) to (..., N, 1, R)."""
    wide = values.expand(*values.shape[:-1], winner_N1R.shape[-1])
    return wide.gather(-2, winner_N1R.expand(*values.shape[:-2], 1, -1))


def _up(point_3N1R: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(point_3N1R[0])] * 2 + [torch.ones_like(point_3N1R[2])])


def _rgb(color_C: Tensor) -> Tensor:
    return color_C.view(3, 1, 1, 1)
