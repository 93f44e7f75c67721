"""A generated split of any size, written as a folder in the official format, part by part.

A part is 250 images, a function of the rules and of its own place: the number of processes changes
nothing. Its images come first, then its record below `parts/`; a part with a record is not made
again, so a killed run goes on where it was. The official files are written last.
"""

import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from film_rl.run import UserError
from film_rl.run.files import to_json, write_atomically
from vqa.generate import IMAGES_IN_BALANCE, generate_questions
from vqa.layout import SCENES
from vqa.render import render
from vqa.scene_generator import VISIBLE_PIXELS, check_rules, generate_scenes, scenes_file

PART = IMAGES_IN_BALANCE
ZERO_HOP = range(84, 90)
QUESTIONS = "questions/CLEVR_{}_questions.json"


@dataclass(frozen=True)
class SplitRules:
    """What to make.

    Args:
        split: the name of the split, in the names of its files.
        images: how many.
        seed: of scenes and questions; splits of one seed share scenes unless `first` differs.
        first: index of the first scene in the endless series of the seed.
        width: of the images, in pixels.
        height: of the images, in pixels.
        num_objects: least and most objects of a scene.
        palette: `all`, or CoGenT's `A` or `B`.
        visible_pixels: least pixels that show each object, of 480x320.
        per_image: questions about an image.
        families: indices of the question families; none given are all 90.
        easy_per_image: further questions about an image, of the zero-hop families, marked `easy`.
    """

    split: str = "train"
    images: int = 1000
    seed: int = 0
    first: int = 0
    width: int = 480
    height: int = 320
    num_objects: tuple[int, int] = (3, 10)
    palette: str = "all"
    visible_pixels: int = VISIBLE_PIXELS
    per_image: int = 10
    families: tuple[int, ...] = ()
    easy_per_image: int = 0


def write_split(
    root: Path,
    rules: SplitRules,
    *,
    processes: int = 1,
    device: str = "cpu",
    progress: Callable[[int], object] = print,
) -> None:
    """Make a split, or the parts of it that are missing; `progress` hears how many images are done.

    Raises:
        UserError: the folder holds a split of this name made by other rules.
    """
    _check(rules)
    parts = root / "parts" / rules.split
    if not _agreed(root, parts, rules):
        return
    make = partial(_make_part, root, rules, device)
    starts = range(0, rules.images, PART)
    missing = [start for start in starts if not _record(parts, start).is_file()]
    done = rules.images - sum(min(PART, rules.images - start) for start in missing)
    progress(done)
    for count in _mapped(make, missing, processes):
        done += count
        progress(done)
    _assemble(root, rules, [_record(parts, start) for start in starts])
    shutil.rmtree(parts)


def _check(rules: SplitRules) -> None:
    """Raise a UserError for rules that would fail only after the first images."""
    sizes = {"images": rules.images, "width": rules.width, "height": rules.height}
    for name, number in sizes.items():
        if number < 1:
            raise UserError(f"{name}={number}; expected at least 1")
    try:
        check_rules(rules.num_objects, rules.palette)  # type: ignore[arg-type]
        generate_questions([], 0, rules.per_image, rules.families or None)
    except ValueError as error:
        raise UserError(str(error)) from None


def _agreed(root: Path, parts: Path, rules: SplitRules) -> bool:
    """Whether there is something to do; the rules are noted when the split is begun."""
    noted = root / f"rules_{rules.split}.json"
    if noted.is_file():
        if noted.read_bytes() != to_json(asdict(rules)):
            raise UserError(
                f"{root} holds a split {rules.split!r} made by other rules, see {noted}; "
                "choose another --out or --split, or remove it"
            )
        if not parts.is_dir():
            return False
    elif (root / SCENES.format(rules.split)).exists():
        raise UserError(
            f"{root} holds a split {rules.split!r} that was not made here; choose another --out"
        )
    for folder in (root / "questions", root / "scenes", root / "images" / rules.split, parts):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(noted, to_json(asdict(rules)))
    return True


def _record(parts: Path, start: int) -> Path:
    return parts / f"{start:08d}.json"


def _mapped(make: Callable[[int], int], starts: Sequence[int], processes: int) -> Iterator[int]:
    """`make` of every start, in order, in so many processes; of a single one in this process."""
    if min(processes, len(starts)) <= 1:  # a process takes seconds to begin
        yield from map(make, starts)
        return
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        yield from pool.map(make, starts)


def _make_part(root: Path, rules: SplitRules, device: str, start: int) -> int:
    """Write the images from `start` on, then their record; how many they are."""
    count = min(PART, rules.images - start)
    scenes = generate_scenes(
        count,
        rules.seed,
        first=rules.first + start,
        split=rules.split,
        num_objects=rules.num_objects,
        palette=rules.palette,
        visible_pixels=rules.visible_pixels,
    )
    for number, scene in enumerate(scenes):
        scene["image_index"] = start + number
        scene["image_filename"] = f"CLEVR_{rules.split}_{start + number:06d}.png"
    seed = 1_000_003 * rules.seed + rules.first + start
    questions = generate_questions(scenes, seed, rules.per_image, rules.families or None)
    if rules.easy_per_image:
        easy = generate_questions(scenes, seed + 1, rules.easy_per_image, ZERO_HOP)
        questions += [{**question, "easy": True} for question in easy]
    for scene, image_CHW in zip(
        scenes, render(scenes, rules.width, rules.height, device), strict=True
    ):
        path = root / "images" / rules.split / scene["image_filename"]
        Image.fromarray(image_CHW.permute(1, 2, 0).numpy()).save(path)
    record = _record(root / "parts" / rules.split, start)
    write_atomically(record, to_json({"scenes": scenes, "questions": questions}))
    return count


def _assemble(root: Path, rules: SplitRules, records: Sequence[Path]) -> None:
    """Join the parts into the two official files, the scenes first."""
    scenes: list[dict[str, Any]] = []
    questions: list[dict[str, Any]] = []
    for record in records:
        part = json.loads(record.read_bytes())
        scenes += part["scenes"]
        questions += part["questions"]
    for index, question in enumerate(questions):
        question["question_index"] = index
    contents = scenes_file(scenes, rules.split)
    files = {SCENES: contents, QUESTIONS: {"info": contents["info"], "questions": questions}}
    for name, content in files.items():
        write_atomically(root / name.format(rules.split), json.dumps(content).encode())
