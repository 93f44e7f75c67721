"""The generated data of a training run: made once, by all cores, kept in a cache."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from film_rl.run import Progress
from film_rl.run.files import sha256, to_json
from vqa.write_folder import SplitRules, write_split


def made_folder(cache: Path, train: SplitRules, val: SplitRules, processes: int) -> Path:
    """The folder with these two splits; what the cache lacks is made now, also after a kill."""
    name = sha256(to_json([asdict(rules) for rules in (train, val)]))[:12]
    root = cache / f"generated-{name}"
    for rules in (train, val):
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
    seed: int,
) -> tuple[SplitRules, SplitRules]:
    """What to make for training on square images: easy questions are for the training only."""
    rules = SplitRules(
        split="train",
        images=train,
        seed=2 * seed,
        width=size,
        height=size,
        num_objects=(3, max_objects),
        per_image=per_image,
        easy_per_image=easy_per_image,
    )
    held_out = replace(rules, split="val", images=val, seed=2 * seed + 1, easy_per_image=0)
    return rules, held_out
