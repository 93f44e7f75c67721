"""Questions with the images they are about: from an official folder, or from what was generated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from film_rl.run.files import sha256
from vqa.errors import DataError
from vqa.images import SIZE, cached_images
from vqa.layout import image_folder, image_root, question_file, scene_file
from vqa.questions import Question, load_questions
from vqa.scenes import Scene, load_scenes

CACHE = "runs/clevr-data"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Questions with the images they are about.

    Args:
        images: bytes (N, 3, H, W).
        questions: in the official form.
        scenes: what each image shows, where that is known.
        image_indices: the `image_index` of each image; by default its scene's, or its place.
        source: where the questions are from, for the messages of errors.
        features: what a pre-trained network sees in each image, (N, C, H', W').

    Raises:
        DataError: the images are not as many as the scenes, or two have one index; a question is
            about none of them, or about one with another file name than its scene's.
    """

    images: Tensor
    questions: list[Question]
    scenes: list[Scene] | None = None
    image_indices: Sequence[int] = ()
    source: str = "questions"
    features: Tensor | None = None

    def __post_init__(self) -> None:
        shown = {"scenes": self.scenes, "image_indices": self.image_indices or None}
        for name, each in shown.items():
            if each is not None and len(each) != len(self.images):
                raise DataError(f"{len(self.images)} images, but {len(each)} {name}")
        if len(self._row_of) < len(self.images):
            raise DataError(f"{len(self.images)} images, but {len(self._row_of)} image_index")
        for index, question in enumerate(self.questions):
            self._check(index, question)

    def __len__(self) -> int:
        return len(self.questions)

    def share(self, share: float) -> "Dataset":
        """The first images, this share of all (at least one), with all their questions."""
        kept = max(1, round(share * len(self.images)))
        indices = {index for index, row in self._row_of.items() if row < kept}
        return replace(
            self,
            images=self.images[:kept],
            questions=[q for q in self.questions if q["image_index"] in indices],
            scenes=None if self.scenes is None else self.scenes[:kept],
            image_indices=self.image_indices[:kept],
            features=None if self.features is None else self.features[:kept],
        )

    @cached_property
    def rows(self) -> Tensor:
        """Per question the row of its image, int64."""
        return torch.tensor([self._row_of[q["image_index"]] for q in self.questions]).long()

    @cached_property
    def _row_of(self) -> dict[int, int]:
        indices = self.image_indices or range(len(self.images))
        if self.scenes is not None and not self.image_indices:
            indices = [scene["image_index"] for scene in self.scenes]
        return {index: row for row, index in enumerate(indices)}

    def _check(self, index: int, question: Question) -> None:
        row = self._row_of.get(question["image_index"])
        if row is None:
            raise DataError(
                f"{self.source}, question {index}: is about image {question['image_index']}, which "
                f"is none of the {len(self.images)} images"
            )
        if self.scenes is not None:
            name = self.scenes[row]["image_filename"]
            if question["image_filename"] != name:
                raise DataError(
                    f"{self.source}, question {index}: is about {question['image_filename']}, but "
                    f"the scene of image {question['image_index']} is that of {name}"
                )


def open_folder(
    root: Path | str,
    split: str,
    size: int = SIZE,
    cache: Path | str = CACHE,
    most_images: int | None = None,
    *,
    skip: int = 0,
    with_scenes: bool = True,
) -> Dataset:
    """A split of an official folder: CLEVR, CoGenT or CLEVR-Humans, whole or cut short.

    Only images that have questions are read. Those of CLEVR-Humans are looked for in the folder
    CLEVR_v1.0 beside it. A test split has neither answers nor scenes.

    Args:
        root: the folder, laid out as in `vqa.layout`.
        split: train, val, test, trainA, valB, ...
        size: height and width of the images.
        cache: folder for the prepared images.
        most_images: read only so many, those of lowest index, and the questions about them.
        skip: pass over so many images before, those of lowest index.
        with_scenes: read the scenes too; training does without their 0.7 GB.

    Raises:
        DataError: a file is missing or damaged, naming it, and the index in it; no image is left.
    """
    root = Path(root)
    file = question_file(root, split)
    questions = load_questions(file)
    names = _images_of(questions, str(file))
    indices = sorted(names)[: None if most_images is None else skip + most_images]
    if skip >= len(indices):
        raise DataError(f"{file}: has {len(names)} images; none is left after {skip} of them")
    folder = image_folder(root, split)
    files = [folder / names[index] for index in indices]
    # One cache serves every skip: it begins with the first image.
    images = cached_images(files, cache_folder(root, split, size, cache), size)[skip:]
    indices = indices[skip:]
    kept = set(indices)
    return Dataset(
        images,
        [question for question in questions if question["image_index"] in kept],
        _scenes(image_root(root, split), split, indices) if with_scenes else None,
        indices,
        str(file),
    )


def cache_folder(root: Path | str, split: str, size: int = SIZE, cache: Path | str = CACHE) -> Path:
    """Where the prepared images of a split are kept."""
    root = Path(root)
    place = sha256(str(image_folder(root, split).resolve()).encode())[:8]
    return Path(cache) / f"{root.resolve().name}-{split}-{size}-{place}"


def check_disjoint(train: Dataset, val: Dataset) -> None:
    """Refuse sets that have a picture in common, whatever its name and index.

    Raises:
        DataError: a pair of equal pictures, by file and row.
    """
    if train.images.shape[1:] != val.images.shape[1:]:
        raise DataError(
            f"images of {train.source} are {tuple(train.images.shape[1:])}, those of {val.source} "
            f"{tuple(val.images.shape[1:])}: read both at one size"
        )
    # Pictures that agree in one line are compared whole: so one page of each is read.
    line = train.images.shape[2] // 2
    rows_of: dict[bytes, list[int]] = {}
    for row, image in enumerate(train.images):
        rows_of.setdefault(_bytes(image[0, line]), []).append(row)
    for row, image in enumerate(val.images):
        for other in rows_of.get(_bytes(image[0, line]), []):
            if torch.equal(image, train.images[other]):
                raise DataError(
                    f"image {other} of {train.source} and image {row} of {val.source} are the same "
                    "picture: give splits that share none"
                )


def _bytes(line_W: Tensor) -> bytes:
    return line_W.cpu().numpy().tobytes()


def _images_of(questions: list[Question], source: str) -> dict[int, str]:
    """The file name of each image that there are questions about."""
    names: dict[int, str] = {}
    index_of: dict[str, int] = {}
    for number, question in enumerate(questions):
        index, name = question["image_index"], question["image_filename"]
        known = names.setdefault(index, name), index_of.setdefault(name, index)
        if known != (name, index):
            raise DataError(
                f"{source}, question {number}: is about image {index}, {name}, but a question "
                f"before it about image {known[1]}, {known[0]}"
            )
    if not names:
        raise DataError(f"{source}: holds no questions")
    return names


def _scenes(root: Path, split: str, indices: Sequence[int]) -> list[Scene] | None:
    file = scene_file(root, split)
    if not file.exists():
        return None
    scenes: dict[int, Scene] = {}
    for number, scene in enumerate(load_scenes(file)):
        if scenes.setdefault(scene["image_index"], scene) is not scene:
            raise DataError(f"{file}, scene {number}: image {scene['image_index']} has one already")
    for index in indices:
        if index not in scenes:
            raise DataError(f"{file}: has no scene for image {index}")
    return [scenes[index] for index in indices]
