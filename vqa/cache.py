"""Arrays that are made once, a block of 64 at a time, and kept in a file mapped into memory.

    <folder>/
        <name>         the arrays' bytes, one after the other
        blocks.jsonl   per finished block the SHA-256 of what it was made from, and of its bytes

A block's line is written when its bytes are on the disk. Whichever blocks have no line that fits
both what they are made from and their bytes are built: so a kill, a changed source and a damaged
cache are mended in the same way.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from film_rl.run.files import sha256

BLOCK = 64  # arrays; each thread holds one block, 10 MB of the paper's images

T = TypeVar("T")
Array = NDArray[np.generic]


class BlockCache:
    """The cache of N arrays. Block b holds arrays b * BLOCK to (b + 1) * BLOCK - 1.

    Args:
        file: where the arrays are kept; the folder is the cache's own.
        shape: (N, ...), of all arrays together.
        dtype: of the arrays.
        source: what the arrays of some indices are made from, as JSON.
        build: the arrays of some indices, (n, ...).
    """

    def __init__(
        self,
        file: Path,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        source: Callable[[range], Any],
        build: Callable[[range], Array],
    ) -> None:
        self.data, self.journal = file, file.parent / "blocks.jsonl"
        self.shape, self.dtype, self.source, self.build = shape, dtype, source, build
        self.blocks = range(-(-shape[0] // BLOCK))
        self.array_bytes = math.prod(shape[1:]) * dtype.itemsize

    def mapped(self, console: Console | None = None, threads: int | None = None) -> Tensor:
        """The arrays; what is written into them stays in memory.

        They are built where they are not there, or not as they were when finished. A second
        process that wants the same cache waits for the first.

        Args:
            console: where to show progress; standard error by default.
            threads: how many build at the same time; one per core by default.
        """
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.data.parent / "lock"):
            self._update(console or Console(stderr=True), threads)
        size = math.prod(self.shape)
        flat = torch.from_file(str(self.data), shared=False, size=size, dtype=self.dtype)
        return flat.view(self.shape)

    def _update(self, console: Console, threads: int | None) -> None:
        sources, lines = _parallel(self._source, self.blocks), self._lines()
        with self.data.open("ab") as data:
            # Never shorter: another process may have mapped more of it.
            data.truncate(max(data.tell(), self.shape[0] * self.array_bytes))
        source = dict(zip(self.blocks, sources, strict=True))
        whole = _parallel(lambda b: self._is_whole(b, source[b], lines.get(b)), self.blocks)
        todo = [block for block, is_whole in zip(self.blocks, whole, strict=True) if not is_whole]
        if not todo:
            return
        built = _parallel(self._build, todo, threads)
        what = TextColumn(self.data.stem)
        columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress, self.journal.open("a") as journal:
            bar = progress.add_task("", total=sum(len(self._indices(block)) for block in todo))
            for block, content in zip(todo, built, strict=True):
                line = {"block": block, "source": source[block], "content": content}
                # A line break first: what a kill has cut short is then a line of its own.
                journal.write("\n" + json.dumps(line))
                journal.flush()
                progress.advance(bar, len(self._indices(block)))

    def _indices(self, block: int) -> range:
        return range(block * BLOCK, min((block + 1) * BLOCK, self.shape[0]))

    def _source(self, block: int) -> str:
        """The digest of what a block's bytes come from."""
        return sha256(json.dumps(self.source(self._indices(block))).encode())

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
            data.seek(block * BLOCK * self.array_bytes)
            return sha256(data.read(BLOCK * self.array_bytes)) == line.get("content")

    def _build(self, block: int) -> str:
        """Write a block to the disk and return the digest of its bytes."""
        content = self.build(self._indices(block)).tobytes()
        try:
            with self.data.open("r+b") as data:
                data.seek(block * BLOCK * self.array_bytes)
                data.write(content)
                data.flush()
                os.fsync(data.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.data)) from None
        return sha256(content)


def _parallel(
    work: Callable[[int], T], items: Sequence[int], threads: int | None = None
) -> Iterator[T]:
    """The results, in the order of the items."""
    # Threads do: decoding, resizing and hashing let go of the interpreter.
    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
