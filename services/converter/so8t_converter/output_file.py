"""One GGUF file in the making: takes its tensors piece by piece, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash

from so8t_converter.journal import Journal, Piece
from so8t_converter.layout import Layout, write_header
from so8t_converter.plan import Bytes, Plan
from so8t_converter.running_digest import RunningDigest
from so8t_shared.files import read_at, write_at
from so8t_shared.tables.quantizations import Quantization

_EVICTED_STEP = 64 << 20
"""Bytes between two evictions."""


@dataclass(frozen=True)
class Unfinished:
    """Where a pass notes what it has written, so that another can go on with the files after a kill."""

    folder: Path
    key: str
    """Tells checkpoints, settings and versions of this program apart."""


@dataclass(frozen=True)
class FinishedFile:
    """What is known of a written file."""

    types: dict[str, int]
    """Number of tensors of each GGML type."""
    sha256: str


class OutputFile:
    """An open file; several threads may write different pieces."""

    def __init__(self, handle: int, layout: Layout, journal: Journal | None, pool: ThreadPoolExecutor) -> None:
        self.layout = layout
        self._handle, self._journal = handle, journal
        self._digest = RunningDigest(handle, pool)
        self._kept: dict[int, int] = {}
        """Start and size of the pieces of earlier attempts."""
        self._evicted = 0

    def begin(self, header: bytes) -> None:
        """Write the header, and check which pieces are there."""
        pieces = self._journal.pieces if self._journal else ()
        write_at(self._handle, header, 0)
        if not pieces:
            os.ftruncate(self._handle, len(header))
        os.ftruncate(self._handle, self.layout.size_bytes)
        self._digest.add(0, self.layout.tensors_start, np.frombuffer(header, np.uint8))
        for piece in pieces:
            if _xxh3(self._handle, piece) == piece.xxh3:
                self._kept[piece.start] = piece.size_bytes
                self._digest.add(piece.start, self._end(piece.start + piece.size_bytes))

    def has(self, tensor: str, offset: int, size_bytes: int) -> bool:
        """Whether an earlier attempt has written these bytes of a tensor."""
        return self._kept.get(self.layout.tensors[tensor].offset + offset) == size_bytes

    def write(self, tensor: str, offset: int, data: Bytes) -> None:
        """Write bytes of a tensor at their offset in it."""
        start = self.layout.tensors[tensor].offset + offset
        write_at(self._handle, data.data, start)
        if self._journal:
            self._journal.note(Piece(tensor, start, data.size, xxhash.xxh3_64_intdigest(data.data)))
        self._digest.add(start, self._end(start + data.size), data)

    def evict(self) -> None:
        """Take what is hashed out of the page cache, where the system can; for one thread, after every piece.

        What is not on the disk yet is sent there, and leaves with a later call.
        """
        hashed = self._digest.hashed_bytes
        if hashed - self._evicted >= _EVICTED_STEP and hasattr(os, "posix_fadvise"):
            self._evicted = hashed
            os.posix_fadvise(self._handle, 0, hashed, os.POSIX_FADV_DONTNEED)

    def finish(self) -> FinishedFile:
        """Flush the file to the disk, and return what it is; every piece must be written."""
        os.fsync(self._handle)  # here, where a kill loses nothing
        return FinishedFile(self.layout.types, self._digest.hexdigest(self.layout.size_bytes))

    def _end(self, end: int) -> int:
        """The end of a piece with the padding behind a tensor's last one."""
        return self.layout.ends.get(end, end)


@contextmanager
def open_output(
    path: Path, plan: Plan, quantization: Quantization, unfinished: Unfinished | None, pool: ThreadPoolExecutor
) -> Iterator[OutputFile]:
    """Begin a file, or go on with what a killed process left of it; `pool` reads back what is to be hashed.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: a value of the metadata does not fit its type.
    """
    beside = path.with_name(f".{path.name}.header")
    try:
        layout = write_header(plan, quantization, beside)
        header = beside.read_bytes()
    finally:
        beside.unlink(missing_ok=True)
    journal = _journal(path, quantization, unfinished, header) if unfinished else None
    try:
        with path.open("r+b" if path.exists() else "x+b") as file:
            output = OutputFile(file.fileno(), layout, journal, pool)
            output.begin(header)
            yield output
    finally:
        if journal:
            journal.close()


def _journal(path: Path, quantization: Quantization, unfinished: Unfinished, header: bytes) -> Journal:
    journal = unfinished.folder / f"{quantization}.journal"
    if not path.exists():
        journal.unlink(missing_ok=True)
    return Journal(journal, f"{unfinished.key} {xxhash.xxh3_64_hexdigest(header)}")


def _xxh3(handle: int, piece: Piece) -> int:
    digest = xxhash.xxh3_64()
    try:
        for chunk in read_at(handle, piece.size_bytes, piece.start):
            digest.update(chunk)
    except EOFError:
        return -1
    return digest.intdigest()
