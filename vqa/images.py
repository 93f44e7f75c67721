"""Pictures as bytes, decoded and resized once and kept in a file that is mapped into memory.

    <folder>/
        images.u8      N x 3 x size x size bytes
        blocks.jsonl   per finished block of 64 images the SHA-256 of its sources' names, sizes and
                       times, and that of its bytes

A block's line is written when its bytes are on the disk. Whichever blocks have no line that fits
both their sources and their bytes are built: so a kill, a changed picture and a damaged cache are
mended in the same way.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from film_rl.run.files import sha256
from vqa.errors import DataError

SIZE = 224
BLOCK = 64  # images; each thread holds one block, 10 MB at the size of the paper
FORMAT = 1
MODES = ("RGB", "RGBA")  # CLEVR's own are RGBA, and opaque

T = TypeVar("T")
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
    cache = _Cache(files, Path(folder), size)
    with FileLock(cache.folder / "lock"):
        cache.update(console or Console(stderr=True))
    return cache.mapped()


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


class _Cache:
    """The cache of some files. Block b holds images b * BLOCK to (b + 1) * BLOCK - 1."""

    def __init__(self, files: Sequence[Path], folder: Path, size: int):
        self.files, self.folder, self.size = files, folder, size
        self.data, self.journal = folder / "images.u8", folder / "blocks.jsonl"
        self.blocks = range(-(-len(files) // BLOCK))
        self.block_bytes = BLOCK * 3 * size * size
        folder.mkdir(parents=True, exist_ok=True)

    def update(self, console: Console) -> None:
        """Build the blocks that are not there, or not as they were when finished."""
        sources, lines = self._sources(), self._lines()
        with self.data.open("ab") as data:
            # Never shorter: another process may have mapped more of it.
            data.truncate(max(data.tell(), len(self.files) * self.block_bytes // BLOCK))
        whole = _parallel(lambda b: self._is_whole(b, sources[b], lines.get(b)), self.blocks)
        todo = [block for block, is_whole in zip(self.blocks, whole, strict=True) if not is_whole]
        if not todo:
            return
        with _opened(self.files[0], f"{self.files[0]}, image 0") as first:
            picture_size = first.size
        built = _parallel(lambda block: self._build(block, picture_size), todo)
        columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress, self.journal.open("a") as journal:
            bar = progress.add_task("", total=sum(len(self._files(block)) for block in todo))
            for block, content in zip(todo, built, strict=True):
                line = {"block": block, "source": sources[block], "content": content}
                # A line break first: what a kill has cut short is then a line of its own.
                journal.write("\n" + json.dumps(line))
                journal.flush()
                progress.advance(bar, len(self._files(block)))

    def mapped(self) -> Tensor:
        """The images; what is written into them stays in memory."""
        N, side = len(self.files), self.size
        size = N * 3 * side * side
        flat = torch.from_file(str(self.data), shared=False, size=size, dtype=torch.uint8)
        return flat.view(N, 3, side, side)

    def _files(self, block: int) -> list[tuple[int, Path]]:
        start = block * BLOCK
        return list(enumerate(self.files[start : start + BLOCK], start=start))

    def _sources(self) -> list[str]:
        """Per block the digest of what its bytes come from."""
        digests = []
        for block in self.blocks:
            facts: list[Any] = [FORMAT, self.size]
            for index, file in self._files(block):
                try:
                    status = file.stat()
                except OSError as error:
                    raise DataError(f"{file}, image {index}: {error.strerror}") from None
                facts.append((file.name, status.st_size, status.st_mtime_ns))
            digests.append(sha256(json.dumps(facts).encode()))
        return digests

    def _lines(self) -> dict[int, dict[str, Any]]:
        """The last whole line of each block."""
        lines = {}
        for text in self.journal.read_bytes().splitlines() if self.journal.exists() else []:
            try:
                line = json.loads(text)
                lines[line["block"]] = line
            except (ValueError, KeyError, TypeError):
                continue
        return lines

    def _is_whole(self, block: int, source: str, line: dict[str, Any] | None) -> bool:
        if line is None or line.get("source") != source:
            return False
        with self.data.open("rb") as data:
            data.seek(block * self.block_bytes)
            return sha256(data.read(self.block_bytes)) == line.get("content")

    def _build(self, block: int, picture_size: tuple[int, int]) -> str:
        """Write a block to the disk and return the digest of its bytes."""
        images = [
            _decode(file, f"{file}, image {index}", self.size, picture_size)
            for index, file in self._files(block)
        ]
        content = np.stack(images).tobytes()
        with self.data.open("r+b") as data:
            data.seek(block * self.block_bytes)
            data.write(content)
            data.flush()
            os.fsync(data.fileno())
        return sha256(content)


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


def _parallel(work: Callable[[int], T], items: Sequence[int]) -> Iterator[T]:
    """The results, in the order of the items."""
    # Threads do: decoding, resizing and hashing let go of the interpreter.
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
