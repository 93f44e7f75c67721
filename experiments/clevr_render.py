"""Draw real CLEVR scenes, put them beside the real images, and state how far they are apart.

    python experiments/clevr_render.py --data CLEVR_v1.0
    python experiments/clevr_render.py --data CLEVR_v1.0 --fit 80
    python experiments/clevr_render.py --speed

Writes docs/media/clevr_renders.png (real on the left, drawn on the right) and
docs/results/clevr_render.json. The camera is fitted to each scene; the lamps, which CLEVR moved a
little in every image and did not write down, stay where they are. --fit adapts paints, lamps and
materials to the images and prints the numbers for vqa/look.py. --speed measures images a second and
writes docs/results/clevr_render_speed.json.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "media" / "clevr_renders.png"
RESULT = ROOT / "docs" / "results" / "clevr_render.json"
SPEED = ROOT / "docs" / "results" / "clevr_render_speed.json"
SIZES = ((64, 64), (96, 96), (112, 112), (480, 320))
SHOWN = 4  # scenes in the picture
HEADING = 36  # pixels above each column of it
REPEATS = 5  # of a measurement of speed, of which the median counts
WIDTH_TO_FIT, HEIGHT_TO_FIT = 160, 107


@dataclass(frozen=True)
class Options:
    """Which images, and whether to fit."""

    data: Path | None = None
    """An official folder: scenes/ and images/ (it may be cut short)."""
    splits: tuple[str, ...] = ("train", "val")
    """The splits to take images from."""
    images: int = 20
    """Most images of each split."""
    fit: int = 0
    """Steps of fitting the look; 0 compares the look as it is."""
    speed: bool = False
    """Measure images a second instead, of generated scenes."""
    device: str = "auto"
    """Where to measure: auto, cpu or cuda."""


def main() -> None:
    """Compare; fit first where asked."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import UserError

        if options.speed:
            measure_speed(options.device)
            return
        if options.data is None:
            raise UserError("no images given; type --data CLEVR_v1.0, or --speed to measure speed")
        pairs = [p for split in options.splits for p in real(options, options.data, split)]
        if options.fit:
            print(f"LOOK = {json.dumps(fitted(pairs, options.fit), indent=1)}")
            return
        compare(pairs)


def measure_speed(device_name: str) -> None:
    """Write images a second at four sizes, the median of repeats after one to warm up."""
    import time
    from statistics import median

    from film_rl.run import choose_device
    from film_rl.run.device import describe_device
    from vqa.render import render
    from vqa.scene_generator import generate_scenes

    device = choose_device(device_name)
    scenes = generate_scenes(1024 if device.type == "cuda" else 128, seed=0)
    speeds = {}
    for width, height in SIZES:
        some = scenes[: max(4, len(scenes) * 64 * 64 // (width * height))]
        starts = []
        for _ in range(REPEATS + 1):
            starts.append(time.perf_counter())
            render(some, width, height, device)
        ends = [*starts[1:], time.perf_counter()]
        taken = [end - start for start, end in zip(starts, ends, strict=True)]
        speeds[f"{width}x{height}"] = round(len(some) / median(taken[1:]), 1)
    figures = {
        "what": f"images drawn a second, 3 to 10 objects, 2 x 2 rays a pixel; median of {REPEATS}",
        "command": "python experiments/clevr_render.py --speed",
        "hardware": describe_device(device),
        "date": datetime.now(UTC).date().isoformat(),
        "figures": speeds,
        "measured": True,
    }
    SPEED.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"{speeds}\n{SPEED}")


def real(options: Options, data: Path, split: str) -> list[tuple[dict[str, Any], "Tensor"]]:
    """Scenes and images (3, 320, 480) of a split, as many as are there."""
    import numpy as np
    import torch
    from PIL import Image

    from film_rl.run import UserError
    from vqa.scenes import load_scenes

    folder = data / "images" / split
    scenes = load_scenes(data, split)
    there = [scene for scene in scenes if (folder / scene["image_filename"]).is_file()]
    if not there:
        raise UserError(f"{folder}: none of the images of {len(scenes)} scenes is there")
    return [
        (scene, torch.tensor(np.array(image.convert("RGB"))).permute(2, 0, 1))
        for scene in there[: options.images]
        for image in [Image.open(folder / scene["image_filename"])]
    ]


def compare(pairs: list[tuple[dict[str, Any], "Tensor"]]) -> None:
    """Write the picture and the figures."""
    import torch

    from film_rl.run.device import describe_device
    from vqa.render import render

    drawn = render([scene for scene, _ in pairs])
    images = torch.stack([image for _, image in pairs])
    apart = (drawn.float() - images.float()).abs().mean((1, 2, 3)).tolist()
    mean = round(sum(apart) / len(apart), 2)
    by_name = list(zip((scene["image_filename"] for scene, _ in pairs), apart, strict=True))
    figures = {
        "what": "mean absolute difference of pixels (of 255) between drawn and real CLEVR images; "
        "the look was fitted to these images",
        "command": "python experiments/clevr_render.py --data CLEVR_v1.0",
        "hardware": describe_device(torch.device("cpu")),
        "date": datetime.now(UTC).date().isoformat(),
        "figures": {"mean": mean, **{name[6:-4]: round(value, 2) for name, value in by_name}},
        "measured": True,
    }
    RESULT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    show(images[:SHOWN], drawn[:SHOWN])
    print(f"{mean} of 255 over {len(pairs)} images\n{RESULT}\n{PICTURE}")


def show(real_NCHW: "Tensor", drawn_NCHW: "Tensor") -> None:
    """Real images on the left, drawn ones on the right, at three quarters of their size."""
    import torch
    from PIL import Image, ImageDraw, ImageFont

    rows_NCHW = torch.cat([real_NCHW, drawn_NCHW], 3)
    sheet_HWC = torch.cat(list(rows_NCHW), 1).permute(1, 2, 0)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.fromarray(sheet_HWC.numpy())
    small = sheet.resize((sheet.width * 3 // 4, sheet.height * 3 // 4), Image.Resampling.LANCZOS)
    titled = Image.new("RGB", (small.width, small.height + HEADING), "white")
    titled.paste(small, (0, HEADING))
    pen, font = ImageDraw.Draw(titled), ImageFont.load_default(HEADING * 0.6)
    for column, heading in enumerate(("CLEVR v1.0", "ours")):
        middle = (titled.width * (2 * column + 1) // 4, HEADING // 2)
        pen.text(middle, heading, "black", font, anchor="mm")
    titled.save(PICTURE, optimize=True)


def fitted(pairs: list[tuple[dict[str, Any], "Tensor"]], steps: int) -> dict[str, Any]:
    """The look after `steps` of Adam on the mean absolute difference, positive stays positive."""
    import torch
    from torch.nn.functional import interpolate

    from vqa.render import look_on, picture

    size = (HEIGHT_TO_FIT, WIDTH_TO_FIT)
    wanted = torch.stack([image for _, image in pairs]).float() / 255
    wanted = interpolate(wanted, size, mode="area")
    look = look_on("cpu")
    places = look.pop("lamp_places")
    logs = {name: value.clamp_min(1e-3).log().requires_grad_() for name, value in look.items()}
    logs["sparks"].requires_grad_(False)  # too small for these pixels
    logs["spark_width"].requires_grad_(False)
    adam = torch.optim.Adam([v for v in logs.values() if v.requires_grad], lr=0.03)
    for step in range(steps):
        adam.zero_grad()
        apart = 0.0
        for (scene, _), image in zip(pairs, wanted, strict=True):
            now = {name: value.exp() for name, value in logs.items()} | {"lamp_places": places}
            drawn = picture([scene], now, WIDTH_TO_FIT, HEIGHT_TO_FIT, 1)[0]
            difference = (drawn - image).abs().mean() / len(pairs)
            difference.backward()
            apart += difference.item() * 255
        for value in logs.values():
            if value.grad is not None:
                value.grad.nan_to_num_(0)
        adam.step()
        print(f"step {step}: {apart:.3f}", flush=True)
    return {name: value.exp().tolist() for name, value in logs.items()}


if __name__ == "__main__":
    main()
