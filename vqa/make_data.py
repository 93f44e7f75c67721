"""Data of CLEVR's kind from nothing, written as a folder in the official format.

A split is made in parts of 250 images, each a function of the seed and of its own place, so that
the number of processes changes nothing. A folder is made under another name and renamed when it
is whole.
"""

import json
import multiprocessing
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from film_rl.run import Progress
from film_rl.run.files import sha256, sync_folder, to_json
from vqa.generate import IMAGES_IN_BALANCE, generate_questions
from vqa.layout import SCENES
from vqa.render import render
from vqa.scene_generator import generate_scenes, scenes_file

ZERO_HOP = range(84, 90)
SEEDS_OF_SPLITS = {"train": 0, "val": 1, "test": 2}
PART = IMAGES_IN_BALANCE


@dataclass(frozen=True)
class DataRules:
    """What to make.

    Args:
        train: images to train on.
        val: images held out.
        width: of the images, in pixels.
        height: of the images, in pixels.
        max_objects: most objects of a scene; the least is 3.
        per_image: questions about an image, of all 90 families.
        easy_per_image: further questions about a training image, of the zero-hop families.
        seed: of everything.
    """

    train: int
    val: int
    width: int
    height: int
    max_objects: int
    per_image: int
    easy_per_image: int
    seed: int


def made_folder(cache: Path, rules: DataRules, processes: int, device: str = "cpu") -> Path:
    """The folder of data made by these rules; made now where the cache has none."""
    root = cache / f"generated-{sha256(to_json(asdict(rules)))[:12]}"
    if not root.is_dir():
        temporary = root.with_name(f".tmp-{root.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        for split in ("train", "val"):
            make_split(temporary, split, rules, processes, device)
        (temporary / "rules.json").write_bytes(to_json(asdict(rules)))
        sync_folder(temporary)
        temporary.rename(root)
    return root


def make_split(
    root: Path, split: str, rules: DataRules, processes: int, device: str = "cpu"
) -> None:
    """Write images, scenes and questions of a split into an official folder."""
    number = rules.train if split == "train" else rules.val
    for folder in (root / "questions", root / "scenes", root / "images" / split):
        folder.mkdir(parents=True, exist_ok=True)
    make = partial(_make_part, root, split, rules, number, device)
    scenes: list[dict[str, Any]] = []
    questions: list[dict[str, Any]] = []
    with Progress(number, metric="") as progress:
        for some_scenes, some_questions in _mapped(make, range(0, number, PART), processes):
            scenes += some_scenes
            questions += some_questions
            progress.update(len(scenes), None)
    for index, question in enumerate(questions):
        question["question_index"] = index
    info = scenes_file([], split)["info"]
    for name, content in (
        (SCENES, scenes_file(scenes, split)),
        ("questions/CLEVR_{}_questions.json", {"info": info, "questions": questions}),
    ):
        (root / name.format(split)).write_text(json.dumps(content), encoding="utf-8")


def _mapped(make: Any, starts: Sequence[int], processes: int) -> Iterator[Any]:
    """`make` of every start, in order, in so many processes."""
    if processes == 1:
        yield from map(make, starts)
        return
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        yield from pool.map(make, starts)


def _make_part(
    root: Path, split: str, rules: DataRules, number: int, device: str, start: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make the images from `start` on: write the PNGs, return scenes and questions."""
    seed = len(SEEDS_OF_SPLITS) * rules.seed + SEEDS_OF_SPLITS[split]
    count = min(PART, number - start)
    objects = (3, rules.max_objects)
    scenes = generate_scenes(count, seed, first=start, split=split, num_objects=objects)
    of_part = seed * 1_000_003 + start
    questions = generate_questions(scenes, of_part, rules.per_image)
    if split == "train" and rules.easy_per_image:
        questions += generate_questions(scenes, of_part + 1, rules.easy_per_image, ZERO_HOP)
    images = render(scenes, rules.width, rules.height, device)
    for scene, image_CHW in zip(scenes, images, strict=True):
        path = root / "images" / split / scene["image_filename"]
        Image.fromarray(image_CHW.permute(1, 2, 0).numpy()).save(path)
    return scenes, questions
