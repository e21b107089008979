"""Private folder of an attempt, on the store's disk if possible; removed afterward.

A killed attempt leaves its folder behind, tens of GB for a large model. So a working process holds a lock on its
folder, which the kernel releases when the process ends for any reason: an unlocked folder is a leftover. Where the file
system has no such locks (NFS), other attempts' folders cannot be judged and stay.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor

from so8t_shared.errors import StorageError
from so8t_shared.files import as_storage_error, storage_errors


@contextmanager
def scratch_folder(root: Path, stem: str) -> Iterator[Path]:
    """Make a folder below `root` with an empty `output` and `scratch`, and remove leftovers of killed attempts.

    The caller holds the lease of the work that `stem` names, so without locks a folder with this stem is a leftover.

    Raises:
        StorageError: the disk is full or cannot be written; also if that happens inside the block.
    """
    parent = _parent(root)
    with storage_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for folder in _folders(parent):
            left = _is_left(folder)
            if left or (left is None and folder.name.startswith(stem)):
                remove_scratch(folder)
        nameless = Path(tempfile.mkdtemp(dir=parent, prefix="."))  # hidden from other attempts until it is locked
        lock = _lock(nameless)
        for name in ("output", "scratch"):
            (nameless / name).mkdir()
        folder = nameless.rename(parent / f"{stem}{nameless.name[1:]}")
    try:
        with _disk_errors(folder):
            yield folder
    finally:
        remove_scratch(folder)
        if lock is not None:
            os.close(lock)


def left_scratch(root: Path) -> list[Path]:
    """Folders below `root` that are known leftovers of killed attempts."""
    return [folder for folder in _folders(_parent(root)) if _is_left(folder)]


def remove_scratch(folder: Path) -> None:
    """Remove a folder as far as possible; the next attempt tries again."""
    shutil.rmtree(folder, ignore_errors=True)


def _parent(root: Path) -> Path:
    return root / "scratch"


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob("[!.]*") if path.is_dir())


def _is_left(folder: Path) -> bool | None:
    """Whether no process holds the folder's lock; None without locking."""
    try:
        lock = _lock(folder)
    except BlockingIOError:
        return False
    if lock is None:
        return None
    os.close(lock)
    return True


def _lock(folder: Path) -> int | None:
    """Handle that holds the lock until closed; None without locking, or if the folder is gone.

    Raises:
        BlockingIOError: another process holds it.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # gone; or Windows, which cannot open folders
        return None
    try:
        taken = lock_descriptor(handle, blocking=False)
    except OSError:
        os.close(handle)
        return None
    if not taken:
        os.close(handle)
        raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(folder))
    return handle


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn the various errors with which libraries report a full disk into one."""
    try:
        yield
    except OSError as error:
        mapped = as_storage_error(error, folder)
        if mapped is None:
            raise
        raise mapped from error
    except Exception as error:
        if "No space left on device" in str(error) or "os error 28" in str(error):
            raise StorageError(
                "The disk is full.",
                where=str(folder),
                remedy="free some space and run the same command again",
            ) from error
        raise
