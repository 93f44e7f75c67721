"""The generated data of a training run: made once, by all cores, kept in a cache."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from filelock import FileLock

from film_rl.run import Progress
from film_rl.run.files import sha256, to_json
from vqa.write_folder import ZERO_HOP, SplitRules, write_split

FIRST = "first"  # the split that a training begins with
PALETTES = {"train": "all", "val": "all"} | {
    f"{split}{palette}": palette for split in ("train", "val") for palette in "AB"
}
"""The splits that can be made, and the colours of their cubes and cylinders (CoGenT's A and B)."""
FAR = {"all": 0, "A": 10**9, "B": 2 * 10**9}  # seeds of a palette's own: no two scenes are akin


def made_folder(cache: Path, splits: Sequence[SplitRules], processes: int) -> Path:
    """The folder with these splits; what the cache lacks is made now, also after a kill.

    A second process that wants the same folder waits for the first.
    """
    name = sha256(to_json([asdict(rules) for rules in splits]))[:12]
    root = cache / f"generated-{name}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        for rules in splits:
            with Progress(rules.images, metric="") as bar:
                tell = partial(bar.update, value=None)
                write_split(root, rules, processes=processes, progress=tell)
    return root


def small_splits(
    train: tuple[str, int],
    val: tuple[str, int],
    *,
    size: int,
    max_objects: int,
    per_image: int,
    easy_per_image: int,
    first: int,
    seed: int,
) -> list[SplitRules]:
    """What to make for training on square images: two splits and, unless it is empty, first.

    Easy questions are for the training only. The images of `first` show one or two objects, in the
    training's colours. One split for training and held out is made once, as large as the larger.

    Args:
        train: name (of PALETTES) and number of images of the split to train on.
        val: the same of the split to hold out.
        size: of the images.
        max_objects: in a scene.
        per_image: questions about an image.
        easy_per_image: further, easy questions about a training image.
        first: images of one or two objects.
        seed: of everything.
    """
    rules = SplitRules(
        split=train[0],
        images=train[1],
        seed=_seed(train[0], seed),
        width=size,
        height=size,
        num_objects=(3, max_objects),
        palette=PALETTES[train[0]],
        per_image=per_image,
        easy_per_image=easy_per_image,
    )
    held_out = replace(
        rules,
        split=val[0],
        images=val[1],
        seed=_seed(val[0], seed),
        palette=PALETTES[val[0]],
        easy_per_image=0,
    )
    if train[0] == val[0]:
        return [replace(held_out, images=max(train[1], val[1]))]
    simple = replace(
        rules,
        split=FIRST,
        images=first,
        seed=3 * seed + 2 + FAR[rules.palette],
        num_objects=(1, 2),
        per_image=len(ZERO_HOP),
        families=tuple(ZERO_HOP),
        easy_per_image=0,
    )
    return [rules, held_out, simple] if first else [rules, held_out]


def _seed(split: str, seed: int) -> int:
    return 3 * seed + split.startswith("val") + FAR[PALETTES[split]]
