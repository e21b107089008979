"""The file that a download becomes: of its final size from the beginning, and gone unless it is finished."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from so8t_shared.files import write_at

_BINARY = getattr(os, "O_BINARY", 0)
"""Without it Windows changes line ends."""


class Landing:
    """A new file whose bytes come in any order, from several threads."""

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
        """Start (again) with an empty file of that size; a disk too small says so now, not after the transfer."""
        if self._handle is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._target, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)
        os.ftruncate(self._handle, 0)
        if size_bytes:
            _reserve(self._handle, size_bytes)

    def keep(self, offset: int, data: bytes) -> None:
        """Put bytes in their place."""
        assert self._handle is not None
        write_at(self._handle, data, offset)

    def finish(self) -> None:
        """All bytes are there: the file stays, also after a power cut, when its size alone says nothing.

        Raises:
            OSError: the disk did not take them.
        """
        if self._handle is not None:
            os.fsync(self._handle)
        self._finished = True


def _reserve(handle: int, size_bytes: int) -> None:
    """Give the file its size; where neither the system (macOS) nor the disk can reserve room, without the room."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size_bytes)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                raise
        else:
            return
    os.ftruncate(handle, size_bytes)
