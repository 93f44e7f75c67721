"""The records of an official JSON file, `{"info": ..., "questions": [...]}`, one at a time.

The train questions are 0.8 GB of text; parsed at once they would fill many gigabytes of memory.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from vqa.errors import DataError

CHUNK = 1 << 22  # characters read at a time
LONGEST = 1 << 23  # characters of one value; a file that is not JSON is not read to its end
BLANKS = re.compile(r"[ \t\r\n]*")


def read_records(path: Path, section: str) -> Iterator[Any]:
    """Yield the elements of the list `section` of a JSON file.

    Raises:
        DataError: the file is missing, cut short, not JSON or without that list.
    """
    count = 0
    try:
        with path.open(encoding="utf-8") as file:
            for record in _Reader(file).elements(section):
                yield record
                count += 1
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not whole after {count} of its {section} ({error})") from None


class _Reader:
    """Takes JSON values off the front of a text that is read a chunk at a time."""

    def __init__(self, file: TextIO):
        self._file = file
        self._text, self._at = "", 0
        self._decode = json.JSONDecoder().raw_decode

    def elements(self, section: str) -> Iterator[Any]:
        keys = []
        self._step_over("{")
        while True:
            keys.append(self._value())
            self._step_over(":")
            if keys[-1] == section:
                self._step_over("[")
                yield from self._list()
            else:
                self._value()
            if self._step_over(",}") == "}":
                break
        if section not in keys:
            raise ValueError(f"it holds {keys}, expected a list {section!r}")

    def _list(self) -> Iterator[Any]:
        if self._next_mark() == "]":
            self._at += 1
            return
        yield self._value()
        while self._step_over(",]") == ",":
            yield self._value()

    def _next_mark(self) -> str:
        while True:
            self._at = BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def _step_over(self, marks: str) -> str:
        mark = self._next_mark()
        if mark == "" or mark not in marks:
            raise ValueError(
                f"expected {' or '.join(marks)}, found {mark or 'the end of the file'}"
            )
        self._at += 1
        return mark

    def _value(self) -> Any:
        self._next_mark()
        at_end = False
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                if at_end or end + 2 < len(self._text):  # else a number may go on: 1 | e+16
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                if at_end or len(self._text) - self._at > LONGEST:
                    raise ValueError(f"cut short or not JSON: {error.msg}") from None
            at_end = not self._read_on()

    def _read_on(self) -> bool:
        chunk = self._file.read(CHUNK)
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)
