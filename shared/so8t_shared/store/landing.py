"""The target file of a download: it has its final size from the start, and is removed unless finished."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from so8t_shared.files import write_at

_BINARY = getattr(os, "O_BINARY", 0)
"""Without it, Windows changes line endings."""


class Landing:
    """A new file whose bytes arrive in any order, from several threads."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._handle: int | None = None
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            if not self._finished:
                self._target.unlink(missing_ok=True)

    def begin(self, size_bytes: int) -> None:
        """Start (over) with an empty file of that size; a full disk fails now, not after the transfer."""
        if self._handle is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._target, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)
        os.ftruncate(self._handle, 0)
        if size_bytes:
            _reserve(self._handle, size_bytes)

    def keep(self, offset: int, data: bytes) -> None:
        """Write bytes at their offset."""
        assert self._handle is not None
        write_at(self._handle, data, offset)

    def finish(self) -> None:
        """Keep the complete file; fsync it, because its size proves nothing after a power loss.

        Raises:
            OSError: the disk failed to write the bytes.
        """
        if self._handle is not None:
            os.fsync(self._handle)
        self._finished = True


def _reserve(handle: int, size_bytes: int) -> None:
    """Give the file its size, reserving disk space unless the system (macOS) or file system cannot."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size_bytes)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                raise
        else:
            return
    os.ftruncate(handle, size_bytes)
