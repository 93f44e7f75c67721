"""Make a data set of CLEVR's kind, of any size, in the official folder layout.

    python experiments/clevr_generate.py --out data/mine --split train --images 10000
    python experiments/clevr_generate.py --out data/mine --split val --images 1000 --seed 1
    python experiments/clevr_generate.py --out data/cogent --split trainA --palette A
    python experiments/clevr_generate.py --out data/counts --families 84 85 --num-objects 3 6

The same command goes on with what was begun; other rules for the same split are refused. Scenes are
those of a seed's endless series: give the splits of a data set different seeds.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cli


@dataclass(frozen=True)
class Options:
    """What to make, and where."""

    out: Path
    """The folder, in the official layout; further splits can join it."""
    split: str = "train"
    """The name of the split."""
    images: int = 1000
    """How many images."""
    seed: int = 0
    """Of scenes and questions."""
    width: int = 480
    """Of the images, in pixels."""
    height: int = 320
    """Of the images, in pixels."""
    num_objects: tuple[int, int] = (3, 10)
    """Least and most objects of a scene."""
    palette: Literal["all", "A", "B"] = "all"
    """Colours: CLEVR's, or those of CoGenT's condition A or B."""
    visible_pixels: int = 200
    """Least pixels that show each object, of 480x320; 0 leaves all scenes in."""
    per_image: int = 10
    """Questions about an image."""
    families: tuple[int, ...] = ()
    """Indices of the question families (0 to 89); all of them when none is given."""
    device: str = "auto"
    """Where pictures are made: auto, cpu or cuda."""
    processes: int = 0
    """How many processes; as many as there are cores when 0."""


def main() -> None:
    """Make the split and say where it is."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import Progress, choose_device
        from vqa.write_folder import SplitRules, write_split

        chosen = dict(vars(options))
        out, device = chosen.pop("out"), choose_device(chosen.pop("device"))
        on_gpu = device.type != "cpu"  # where one process is enough
        processes = chosen.pop("processes") or (1 if on_gpu else os.cpu_count() or 1)
        with Progress(options.images, metric="") as progress:
            write_split(
                out,
                SplitRules(**chosen),
                processes=processes,
                device=str(device),
                progress=lambda done: progress.update(done, None),
            )
        print(f"{options.images:,} images of split {options.split!r} with their questions: {out}")


if __name__ == "__main__":
    main()
