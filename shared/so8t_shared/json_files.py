"""JSON in files and pipes: results written atomically, and lines that end only at \\n.

`str.splitlines` would also split at U+2028, U+0085 and others, which JSON does not escape in strings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from pydantic import BaseModel

from so8t_shared.files import PUBLIC, write_atomically
from so8t_shared.foreign import parse_json


def write_json(path: Path, result: BaseModel, mode: int = PUBLIC) -> None:
    """Replace `path` with one indented object, in one step.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    write_atomically(path, (result.model_dump_json(indent=2) + "\n").encode(), mode)


def write_lines(path: Path, results: Iterable[BaseModel]) -> None:
    """Replace `path` with one line per result, in one step.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    write_atomically(path, as_lines(results))


def as_lines(results: Iterable[BaseModel]) -> bytes:
    """Return what `write_lines` writes."""
    return "".join(result.model_dump_json() + "\n" for result in results).encode()


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The non-blank lines with their numbers, starting at 1."""
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def whole_objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects in a binary file, a pipe or a `BytesIO`; lines that are truncated or not objects are skipped."""
    for line in lines:
        with suppress(ValueError):
            value = parse_json(line.decode("utf-8", "replace"))
            if isinstance(value, dict):
                yield value


class Channel:
    """One end of a pair of pipes between two processes, one object per line.

    End of file tells either side that the other is gone.
    """

    def __init__(self, reading: IO[bytes], writing: IO[bytes]) -> None:
        self._reading = reading
        self._writing = writing

    @classmethod
    def on(cls, reading_fd: int, writing_fd: int) -> Self:
        """Take over two open file descriptors."""
        return cls(os.fdopen(reading_fd, "rb"), os.fdopen(writing_fd, "wb", buffering=0))

    def send(self, message: Any) -> None:
        """Send one object.

        Raises:
            BrokenPipeError: the reader is gone.
        """
        self._writing.write(json.dumps(message).encode("utf-8") + b"\n")
        self._writing.flush()

    def receive(self) -> dict[str, Any] | None:
        """The next object, or None if the other side is gone."""
        line = self._reading.readline()
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Close both directions."""
        self._reading.close()
        self._writing.close()
