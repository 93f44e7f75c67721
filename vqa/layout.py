"""Where an official folder keeps its files.

CLEVR_v1.0, CLEVR_CoGenT_v1.0/          splits train, val, test; trainA, valA, testA, valB, testB
    questions/CLEVR_<split>_questions.json
    scenes/CLEVR_<split>_scenes.json    (not for the tests)
    images/<split>/CLEVR_<split>_000000.png
CLEVR-Humans/CLEVR-Humans-<split>.json  (its images are those of CLEVR_v1.0)
"""

from pathlib import Path

from film_rl.errors import did_you_mean
from vqa.errors import DataError

QUESTIONS = ("questions/CLEVR_{}_questions.json", "CLEVR-Humans-{}.json")
SCENES = "scenes/CLEVR_{}_scenes.json"


def question_file(root: Path, split: str) -> Path:
    """The question file of a split, of CLEVR or CLEVR-Humans.

    Raises:
        DataError: there is none.
    """
    files = [root / pattern.format(split) for pattern in QUESTIONS]
    found = [file for file in files if file.is_file()]
    if not found:
        splits = _splits(root, QUESTIONS)
        known = f"it has the splits {', '.join(splits)}" if splits else "there are no questions"
        raise DataError(
            f"{root}: no questions of split {split!r}, expected {files[0]} or {files[1]}; {known}"
            f"{did_you_mean(split, splits)}"
        )
    return found[0]


def scene_file(root: Path, split: str) -> Path:
    """The scene file of a split; the folder of a test split has none."""
    return root / SCENES.format(split)


def image_folder(root: Path, split: str) -> Path:
    """The folder of a split's images; for CLEVR-Humans that of CLEVR_v1.0 beside it."""
    return image_root(root, split) / "images" / split


def image_root(root: Path, split: str) -> Path:
    """The folder that holds images and scenes for the questions in `root`."""
    is_humans = question_file(root, split).parent == root
    return root.resolve().parent / "CLEVR_v1.0" if is_humans else root


def _splits(root: Path, patterns: tuple[str, ...]) -> list[str]:
    names = []
    for pattern in patterns:
        start, end = (root / pattern).name.split("{}")
        names += [
            file.name.removeprefix(start).removesuffix(end)
            for file in root.glob(pattern.format("*"))
        ]
    return sorted(names)
