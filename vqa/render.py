"""Pictures of scenes: batched ray casting on any device, at any size.

The frame is always the released one (480x320); other sizes see the same, squeezed, as a resized
image would. An image is made of tiles: a solid is tried only on the rays of tiles that it can
touch. Pixels are lit once, but where a solid's edge crosses them: there every ray is.

Legend: N scenes, K solids, T tiles of an image, Q rays of a tile, P pixels of an image, S rays of a
pixel, M rays that meet a solid, C = 3 colours; a leading 3 is x, y, z, a leading 2 x, y.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqa.camera import FOCAL, HEIGHT, WIDTH, Camera, fit_camera
from vqa.look import LOOK
from vqa.ray_casting import FAR, Solids, distances, dot, turned
from vqa.scene_generator import HALF_SIZES
from vqa.scenes import COLORS
from vqa.shading import (
    Look,
    World,
    floor_light,
    mirror_light,
    solid_light,
    surface,
    view_rays,
)

Scenes = Sequence[dict[str, Any]]
Device = str | torch.device

TILE = 4  # pixels
COARSE = 4  # pixels a ray when visible pixels are counted
PIXELS_AT_ONCE = {"cpu": 2**16, "cuda": 2**20}  # what caches, and memories, like
NOTHING = 2**62


def render(
    scenes: Scenes,
    width: int = WIDTH,
    height: int = HEIGHT,
    device: Device = "cpu",
    *,
    samples: int = 2,
) -> Tensor:
    """Pictures of scenes: uint8 (N, 3, height, width) on the CPU.

    Each pixel is the mean of `samples` x `samples` rays.
    Scenes without the key `view` (official ones) are seen through the camera that fits their
    `pixel_coords`, under lamps that have not moved.
    """
    look = look_on(device)
    images = torch.empty(len(scenes), 3, height, width, dtype=torch.uint8)
    for part in _parts(len(scenes), width * height, device):
        seen_NCHW = picture(scenes[part], look, width, height, samples)
        images[part] = (seen_NCHW * 255 + 0.5).to(torch.uint8).cpu()
    return images


def object_ids(
    scenes: Scenes, width: int = WIDTH, height: int = HEIGHT, device: Device = "cpu"
) -> Tensor:
    """Which object the middle of each pixel shows: int8 (N, height, width) on the CPU; -1: none."""
    look = look_on(device)
    ids = torch.empty(len(scenes), height, width, dtype=torch.int8)
    grid_2TQ = tile_grid(width, height, 1, device).flatten(2)
    for part in _parts(len(scenes), width * height, device):
        index_NTQ, _ = cast(pack(scenes[part], look), grid_2TQ)
        ids[part] = untiled(index_NTQ.flatten(1), width, height).cpu()
    return ids


def visible_pixels(scenes: Scenes) -> list[list[int]]:
    """Per scene and object, about how many pixels of the 480x320 image show it."""
    ids = object_ids(scenes, WIDTH // COARSE, HEIGHT // COARSE).flatten(1).long()
    counts_NK = torch.zeros(
        len(scenes), 1 + max(len(scene["objects"]) for scene in scenes), dtype=torch.long
    )
    counts_NK.scatter_add_(1, ids + 1, torch.ones_like(ids))
    counts = (counts_NK[:, 1:] * COARSE**2).tolist()
    return [row[: len(scene["objects"])] for row, scene in zip(counts, scenes, strict=True)]


def picture(scenes: Scenes, look: Look, width: int, height: int, samples: int) -> Tensor:
    """Pixels from 0 to 1 (N, 3, height, width), gamma applied; differentiable in `look`."""
    world = pack(scenes, look)
    grid_2TQ = tile_grid(width, height, samples, look["floor"].device).flatten(2)
    index_NTQ, distance_NTQ = cast(world, grid_2TQ)
    rays = samples**2
    grid_2PS = grid_2TQ.view(2, -1, rays)
    middle_2P = grid_2PS.mean(-1)
    floor_CNP = floor_light(world, look, view_rays(world, middle_2P), TILE * TILE).squeeze(2)
    color_CNPS = floor_CNP.unsqueeze(-1).repeat(1, 1, 1, rays)
    index_NPS = index_NTQ.view(len(scenes), -1, rays)
    distance_NPS = distance_NTQ.view(len(scenes), -1, rays)
    on_solid_NPS = index_NPS >= 0
    inside_NP = (index_NPS == index_NPS[..., :1]).all(-1) & on_solid_NPS[..., 0]
    # All rays of a pixel inside a solid meet nearly the same: the middle one stands for them.
    n, p = torch.nonzero(inside_NP).unbind(1)
    met = index_NPS[n, p, 0], distance_NPS[n, p].mean(-1)
    color_CNPS[:, n, p] = _light_along(world, look, n, middle_2P[:, p], *met).unsqueeze(-1)
    n, p, s = torch.nonzero(on_solid_NPS & ~inside_NP[..., None]).unbind(1)
    met = index_NPS[n, p, s], distance_NPS[n, p, s]
    color_CNPS[:, n, p, s] = _light_along(world, look, n, grid_2PS[:, p, s], *met)
    light_CNP = color_CNPS.mean(-1).clamp(1e-4, 1).pow(1 / 2.2)
    return untiled(light_CNP, width, height).transpose(0, 1)


def _light_along(
    world: World, look: Look, scene_M: Tensor, grid_2M: Tensor, index_M: Tensor, distance_M: Tensor
) -> Tensor:
    """Light (C, M) along single rays, each in a scene of its own, from the solids they meet."""

    def light(law: Callable[..., Tensor], chosen: Tensor) -> Tensor:
        around = world.at(scene_M[chosen])
        ray = view_rays(around, grid_2M[:, chosen])
        point = around.eye + distance_M[chosen] * ray
        seen = surface(around, index_M[chosen].view(1, 1, -1), point)
        return law(around, look, seen, ray).view(3, -1)

    light_CM = light(solid_light, torch.arange(len(scene_M), device=scene_M.device))
    shiny = torch.nonzero(world.metal[scene_M, index_M, 0] > 0)[:, 0]
    return light_CM.index_add(1, shiny, light(mirror_light, shiny))


def cast(world: World, grid_2TQ: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest solid along each ray, -1 for none, and its distance, both (N, T, Q)."""
    scenes, (_, tiles, rays) = world.eye.shape[1], grid_2TQ.shape
    scene_M, solid_M, tile_M = torch.nonzero(_touched(world, grid_2TQ)).unbind(1)
    # One candidate (scene, solid, tile) a row: N is 1 and K is M.
    solids = Solids(*(v[..., scene_M, solid_M, :].unsqueeze(-3) for v in world.solids))
    right, down, forward = world.axes[:, :, scene_M, :, :].transpose(2, 3)
    x, y = grid_2TQ[:, tile_M]
    ray = right * x + down * y + forward * FOCAL
    ray = ray * torch.rsqrt(dot(ray, ray))
    eye = world.eye[:, scene_M].transpose(1, 2)
    distance_MQ = distances(solids, eye, ray).squeeze(0)
    # Distances are positive, so their bits order as they do: the least key is the nearest solid.
    key_MQ = (distance_MQ.view(torch.int32).long() << 8) | solid_M[:, None]
    key_MQ = torch.where(distance_MQ < FAR, key_MQ, NOTHING)
    best = torch.full((scenes * tiles, rays), NOTHING, device=grid_2TQ.device)
    row_MQ = (scene_M * tiles + tile_M)[:, None].expand_as(key_MQ)
    best = best.scatter_reduce(0, row_MQ, key_MQ, "amin").view(scenes, tiles, rays)
    index_NTQ = torch.where(best < NOTHING, best & 255, -1)
    return index_NTQ, (best >> 8).to(torch.int32).view(torch.float32)


def _touched(world: World, grid_2TQ: Tensor) -> Tensor:
    """Which tiles (N, K, T) the box around each solid can be seen in."""
    corners = torch.tensor([-1.0, 1.0], device=grid_2TQ.device)
    corner_38 = torch.cartesian_prod(corners, corners, corners).T[:, None, None, :]
    solids = world.solids
    box_3NK8 = turned(solids, corner_38.expand(3, *solids.size.shape[:2], 8), -1.0) * solids.size
    from_eye = box_3NK8 + solids.center - world.eye
    right, down, forward = (dot(from_eye, axis) for axis in world.axes)
    seen_2NK8 = torch.stack([right, down]) / forward.clamp_min(0.1) * FOCAL
    low, high = seen_2NK8.amin(-1, keepdim=True), seen_2NK8.amax(-1, keepdim=True)
    tile_low, tile_high = grid_2TQ.amin(-1)[:, None, None], grid_2TQ.amax(-1)[:, None, None]
    return ((low <= tile_high) & (high >= tile_low)).all(0)


def tile_grid(width: int, height: int, samples: int, device: Device) -> Tensor:
    """Where rays pass through the 480x320 frame: x, y from its middle (2, T, P, S).

    Tiles at the right and lower edge reach beyond the image.
    """

    def places(pixels: int, frame: int) -> Tensor:
        tiles = -(-pixels // TILE)
        spots = (torch.arange(tiles * TILE * samples, dtype=torch.float64) + 0.5) / samples
        return (spots * frame / pixels - frame / 2).view(tiles, TILE, samples)

    y, x = places(height, HEIGHT), places(width, WIDTH)
    shape = (len(y), len(x), TILE, TILE, samples, samples)
    y = y[:, None, :, None, :, None].expand(shape)
    x = x[None, :, None, :, None, :].expand(shape)
    grid = torch.stack([x, y]).reshape(2, shape[0] * shape[1], TILE * TILE, samples * samples)
    return grid.to(device, torch.float32)


def untiled(values: Tensor, width: int, height: int) -> Tensor:
    """Values (..., T * P) in the order of tiles as an image (..., height, width)."""
    down, across = -(-height // TILE), -(-width // TILE)
    tiles = values.unflatten(-1, (down, across, TILE, TILE))
    return tiles.transpose(-3, -2).flatten(-2).flatten(-3, -2)[..., :height, :width]


def look_on(device: Device) -> Look:
    """The calibrated look as tensors."""
    return {name: torch.tensor(value, device=device) for name, value in LOOK.items()}


def _parts(number: int, pixels: int, device: Device) -> Iterator[slice]:
    size = max(1, PIXELS_AT_ONCE.get(torch.device(device).type, 2**20) // pixels)
    return (slice(start, start + size) for start in range(0, number, size))


def pack(scenes: Scenes, look: Look) -> World:
    """Scenes as tensors, on the look's device."""
    slots = max(1, *(len(scene["objects"]) for scene in scenes))
    rows = [[_numbers(thing) for thing in scene["objects"]] for scene in scenes]
    cameras = [camera_of(scene) for scene in scenes]
    jitter = [scene.get("view", {}).get("light_jitter", np.zeros((3, 3))) for scene in scenes]

    def tensor(values: Any) -> Tensor:
        return torch.tensor(np.array(values, dtype=np.float32), device=look["floor"].device)

    table = tensor([row + [_NOWHERE] * (slots - len(row)) for row in rows]).unsqueeze(-1)
    x, y, z, size, turn, cube, sphere, metal, color = table.unbind(2)
    center = torch.stack([x, y, z])
    solids = Solids(center, size, turn.cos(), turn.sin(), cube, sphere)
    paint_NK = (color + len(COLORS) * metal).squeeze(-1).long()
    paint = look["paints"][paint_NK].movedim(-1, 0).unsqueeze(-1)
    lamps_L3N = look["lamp_places"].unsqueeze(-1) + tensor(jitter).permute(1, 2, 0)
    eye_3N = tensor([camera.center for camera in cameras]).T
    axes_33N = tensor([camera.axes_33 for camera in cameras]).permute(1, 2, 0)
    wide = (values[..., None, None] for values in (lamps_L3N, eye_3N, axes_33N))
    return World(solids, paint, metal, *wide)


_NOWHERE = (0.0, 0.0, -1000.0, 0.35, 0.0, 0.0, 1.0, 0.0, 0.0)


def _numbers(thing: dict[str, Any]) -> tuple[float, ...]:
    """Place, half-size, turn (the official number, as radians), flags and colour."""
    x, y, z = thing["3d_coords"]
    cube, sphere = float(thing["shape"] == "cube"), float(thing["shape"] == "sphere")
    metal, color = float(thing["material"] == "metal"), float(COLORS.index(thing["color"]))
    return x, y, z, HALF_SIZES[thing["size"]], thing["rotation"], cube, sphere, metal, color


def camera_of(scene: dict[str, Any]) -> Camera:
    """The camera a scene was made with, or the one that fits its pixel_coords."""
    if center := scene.get("view", {}).get("camera"):
        x, y, z = center
        return Camera((x, y, z))
    return fit_camera(scene)
