"""Private folder of an attempt, on the store's disk if possible; removed afterward.

A killed attempt leaves its folder behind, tens of GB for a large model. So a working process holds a lock on its
folder, which the kernel releases when the process ends for any reason: an unlocked folder is a leftover. Where the file
system has no such locks (NFS), other attempts' folders cannot be judged and stay.

What the work can continue lies in `unfinished`, which it makes there itself. It outlives an attempt that is killed or
asked to stop: the next attempt with the same stem takes it over. One with another stem of the same kind ("convert-a-")
removes it, so that each kind has at most one, and other kinds leave it alone.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from so8t_shared.errors import Interrupted, StorageError
from so8t_shared.files import as_storage_error, folder_bytes, storage_errors

UNFINISHED = "unfinished"


def scratch_stem(kind: str, fingerprint: str) -> str:
    """How the names of the folders for one work begin."""
    return f"{kind}-{fingerprint[:16]}-"


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
        left = [folder for folder in _folders(parent) if _is_left(folder, stem)]
        for folder in left:
            _trim(folder, keep=_is_continued(folder, stem))
        nameless = Path(tempfile.mkdtemp(dir=parent, prefix="."))  # hidden from other attempts until it is locked
        lock = _lock(nameless)
        for name in ("output", "scratch"):
            (nameless / name).mkdir()
        folder = nameless.rename(parent / f"{stem}{nameless.name[1:]}")
        for before in left:
            if before.name.startswith(stem):
                _take_over(before, folder)
    stopped = False
    try:
        with _disk_errors(folder):
            yield folder
    except Interrupted:
        stopped = True
        raise
    finally:
        _trim(folder, keep=stopped)
        if lock is not None:
            os.close(lock)


def left_scratch(root: Path) -> list[Path]:
    """Folders below `root` that are known leftovers of killed attempts."""
    return [folder for folder in _folders(_parent(root)) if _is_left(folder)]


def unfinished_bytes(root: Path, stem: str) -> int:
    """Bytes on the disk that the next attempt with this stem takes over."""
    folders = [folder for folder in left_scratch(root) if folder.name.startswith(stem)]
    return sum(folder_bytes(folder / UNFINISHED, allocated=True) for folder in folders)


def remove_scratch(folder: Path) -> None:
    """Remove a folder as far as possible; the next attempt tries again."""
    shutil.rmtree(folder, ignore_errors=True)


def _parent(root: Path) -> Path:
    return root / "scratch"


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob("[!.]*") if path.is_dir())


def _is_continued(folder: Path, stem: str) -> bool:
    """Whether this work or one of another kind continues what a leftover holds."""
    return folder.name.startswith(stem) or folder.name.rsplit("-", 2)[0] != stem.rsplit("-", 2)[0]


def _trim(folder: Path, *, keep: bool) -> None:
    """Remove a folder, or if `keep` all of it but what can be continued."""
    if not keep or not (folder / UNFINISHED).is_dir():
        remove_scratch(folder)
        return
    for path in folder.iterdir():
        if path.name != UNFINISHED:
            remove_scratch(path)


def _take_over(left: Path, folder: Path) -> None:
    with suppress(OSError):  # there is none, or one was taken over already
        (left / UNFINISHED).rename(folder / UNFINISHED)
    remove_scratch(left)


def _is_left(folder: Path, stem: str | None = None) -> bool:
    """Whether no process holds the folder's lock; without locking, whether it has this stem."""
    try:
        lock = _lock(folder)
    except BlockingIOError:
        return False
    if lock is None:
        return stem is not None and folder.name.startswith(stem)
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
