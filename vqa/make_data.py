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
    train: int,
    val: int,
    *,
    size: int,
    max_objects: int,
    per_image: int,
    easy_per_image: int,
    first: int,
    seed: int,
) -> list[SplitRules]:
    """What to make for training on square images: the splits train, val and, unless empty, first.

    Easy questions are for the training only. The images of `first` show one or two objects.
    """
    rules = SplitRules(
        split="train",
        images=train,
        seed=3 * seed,
        width=size,
        height=size,
        num_objects=(3, max_objects),
        per_image=per_image,
        easy_per_image=easy_per_image,
    )
    held_out = replace(rules, split="val", images=val, seed=3 * seed + 1, easy_per_image=0)
    simple = replace(
        rules,
        split=FIRST,
        images=first,
        seed=3 * seed + 2,
        num_objects=(1, 2),
        per_image=len(ZERO_HOP),
        families=tuple(ZERO_HOP),
        easy_per_image=0,
    )
    return [rules, held_out, simple] if first else [rules, held_out]
