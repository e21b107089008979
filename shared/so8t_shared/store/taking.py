"""Take a file into a folder of temporary files, and remove those whose process was killed on the way.

The process holds a lock on the file itself, which the kernel releases when it ends for any reason: an unlocked file is
a leftover, gigabytes for a model. Where there are no such locks, leftovers are known by their age.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

_HELD = "held-"
_LEFTOVER_AFTER_S = 86_400.0
_LOCKS_STAY = os.name != "nt"
"""Whether a locked file can still be written by its holder, and renamed; Windows refuses both."""


@contextmanager
def taken_file(source: Path, folder: Path, *, move: bool) -> Iterator[Path]:
    """A temporary file in `folder` with the bytes of `source`, flushed; removed at the end unless renamed.

    With `move`, `source` itself is renamed, which must be on the same disk.
    """
    temporary = folder / f"{_HELD if _LOCKS_STAY else ''}{uuid.uuid4().hex}"
    holding = _held(source if move else temporary, new=not move)
    try:
        if move:
            os.utime(source)  # otherwise it might look like a leftover
            source.replace(temporary)
        else:
            shutil.copyfile(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if holding is not None:
            os.close(holding)


def remove_left_files(folder: Path) -> None:
    """Remove what killed processes left in `folder`: held files at once, others after a day."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_HELD):
                with suppress(OSError):
                    _remove_unless_held(entry.path)
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > _LEFTOVER_AFTER_S:
                    Path(entry.path).unlink(missing_ok=True)


def _held(path: Path, *, new: bool) -> int | None:
    """Handle that holds the file's lock until closed; None without locking.

    A new file may be removed by a cleaner between its creation and its lock; then it is made again.
    """
    while _LOCKS_STAY:
        handle = os.open(path, os.O_RDONLY | (os.O_CREAT if new else 0), 0o644)
        with suppress(OSError):
            lock_descriptor(handle, blocking=not new)
        if not new or path.is_file():
            return handle
        os.close(handle)
    return None


def _remove_unless_held(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        if lock_descriptor(handle, blocking=False):
            Path(path).unlink(missing_ok=True)
    finally:
        os.close(handle)
