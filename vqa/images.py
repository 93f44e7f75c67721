"""Pictures as bytes, decoded and resized once and kept in a cache (`vqa.cache`)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from torch import Tensor

from vqa.cache import BLOCK, BlockCache
from vqa.errors import DataError

SIZE = 224
FORMAT = 1
MODES = ("RGB", "RGBA")  # CLEVR's own are RGBA, and opaque

Bytes = NDArray[np.uint8]


def read_image(path: Path | str, size: int = SIZE) -> Bytes:
    """A picture as bytes (3, size, size): RGB, bicubic, its aspect not kept (as in the reference).

    Raises:
        DataError: the file is missing, cut short, or no RGB or RGBA picture.
    """
    return _decode(Path(path), str(path), size)


def cached_images(
    files: Sequence[Path], folder: Path | str, size: int = SIZE, console: Console | None = None
) -> Tensor:
    """Pictures as bytes (N, 3, size, size), mapped from a cache that is built where it is not yet.

    It is built by all cores, resumes after a kill, and follows changes of the files. A second
    process that wants the same cache waits for the first.

    Args:
        files: the pictures, all of the same size.
        folder: of the cache; it belongs to these files.
        size: of the result.
        console: where to show progress; standard error by default.

    Raises:
        DataError: a picture is missing, damaged or of another size, naming file and index.
    """
    if not files:
        raise DataError(f"{folder}: a cache of no images")

    @cache
    def picture_size() -> tuple[int, int]:
        with _opened(files[0], f"{files[0]}, image 0") as first:
            return first.size

    def source(indices: range) -> Any:
        """Names, sizes and times of the files."""
        return [FORMAT, size, *(_facts(files[index], index) for index in indices)]

    def build(indices: range) -> Bytes:
        named = [(files[index], f"{files[index]}, image {index}") for index in indices]
        return np.stack([_decode(file, where, size, picture_size()) for file, where in named])

    shape = (len(files), 3, size, size)
    return BlockCache(Path(folder) / "images.u8", shape, torch.uint8, source, build).mapped(console)


def images_on(images_NCHW: Tensor, device: torch.device | str) -> Tensor:
    """A copy on the device if it takes at most half of the free memory there, else the same.

    Args:
        images_NCHW: bytes, possibly mapped from a file.
        device: where training runs.
    """
    device = torch.device(device)
    if device.type != "cuda" or images_NCHW.nbytes > torch.cuda.mem_get_info(device)[0] // 2:
        return images_NCHW
    copy_NCHW = torch.empty(images_NCHW.shape, dtype=images_NCHW.dtype, device=device)
    for start in range(0, len(images_NCHW), BLOCK):
        copy_NCHW[start : start + BLOCK] = images_NCHW[start : start + BLOCK].to(device)
    return copy_NCHW


def _facts(file: Path, index: int) -> tuple[str, int, int]:
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"{file}, image {index}: {error.strerror}") from None
    return file.name, status.st_size, status.st_mtime_ns


@contextmanager
def _opened(path: Path, where: str) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            yield image
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{where}: is no PNG or JPEG picture") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{where}: cannot be read ({reason})") from None


def _decode(
    path: Path, where: str, size: int, picture_size: tuple[int, int] | None = None
) -> Bytes:
    with _opened(path, where) as image:
        if image.mode not in MODES:
            raise DataError(f"{where}: has mode {image.mode}, expected {' or '.join(MODES)}")
        if picture_size and image.size != picture_size:
            raise DataError(
                f"{where}: is {image.size[0]}x{image.size[1]}, expected "
                f"{picture_size[0]}x{picture_size[1]} as the first picture"
            )
        resized = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))
