"""What a file in the making holds already, so that a conversion can go on after a kill.

One line per piece, appended after the piece is written: a killed process's writes stay in the system's memory, so its
lines are true. After a power cut they may not be, since nothing is flushed to the disk meanwhile. Each line has a
checksum, and whoever goes on counts a piece only if the file's bytes still have it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

_FORMAT = 2


@dataclass(frozen=True)
class Piece:
    """Bytes of one tensor."""

    tensor: str
    start: int
    """In the file."""
    size_bytes: int
    xxh3: int
    """64 bits of XXH3, since it costs nothing beside writing: crc32 takes a tenth of a conversion."""


class Journal:
    """The journal of one file, open for appending."""

    def __init__(self, path: Path, key: str) -> None:
        """Open it; what it holds counts only if it was begun with the same `key`, else it is begun anew."""
        head = json.dumps({"format": _FORMAT, "key": key})
        self.pieces: tuple[Piece, ...] = ()
        """Those of earlier attempts."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._handle = os.open(path, flags, 0o644)
        lines = path.read_bytes().split(b"\n")[:-1]  # behind the last line's end is nothing, or half a line
        if lines[:1] == [head.encode()]:
            self.pieces = tuple(_readable(lines[1:]))
        os.ftruncate(self._handle, sum(len(line) + 1 for line in lines[: len(self.pieces) + 1]) if self.pieces else 0)
        if not self.pieces:
            self._append(head)

    def note(self, piece: Piece) -> None:
        """Append a piece that is written; several threads may."""
        self._append(json.dumps(astuple(piece)))

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, line: str) -> None:
        os.write(self._handle, line.encode() + b"\n")


def _readable(lines: Iterable[bytes]) -> Iterable[Piece]:
    """Yield the pieces up to the first line that a power cut spoiled."""
    for line in lines:
        try:
            tensor, start, size_bytes, xxh3 = json.loads(line)
        except (TypeError, ValueError):
            return
        yield Piece(tensor, start, size_bytes, xxh3)
