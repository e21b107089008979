"""Write files so that a crash leaves the old or the new content, never a mix.

`write_atomically` writes a temporary file next to the target, flushes it to the disk, renames it and
flushes the folder; `write_together` does so for several files. Neither protects against a disk that lies
about flushing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from so8t_shared.errors import StorageError

_CHUNK = 1 << 20


@contextmanager
def storage_errors(where: Path | str) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk into a StorageError that names `where`."""
    try:
        yield
    except OSError as error:
        mapped = as_storage_error(error, where)
        if mapped is None:
            raise
        raise mapped from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, if they do not exist.

    Raises:
        StorageError: the folder cannot be made.
    """
    with storage_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # as in /proc, or below a folder that is being deleted
            raise StorageError(
                "The folder cannot be created.", where=str(folder), remedy="choose another folder"
            ) from error


def as_storage_error(error: OSError, where: Path | str) -> StorageError | None:
    """The StorageError for `error`, or None if it is a different kind of error."""
    place = str(error.filename or where)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(
            "The disk is full.",
            where=place,
            remedy="free some space and run the same command again to resume",
        )
    if error.errno == errno.EROFS:
        return StorageError(
            "The folder cannot be written: the disk is read-only.",
            where=place,
            remedy="make it writable, or choose another folder",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return StorageError(
            "This user has no permission to read or write there.",
            where=place,
            remedy="give this user permission, or choose another folder",
        )
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return StorageError(
            "There is a file where a folder is needed.",
            where=place,
            remedy="move that file, or choose another folder",
        )
    if error.errno == errno.ELOOP:
        return StorageError(
            "There is a symbolic link where a plain file is needed.",
            where=place,
            remedy="find out who made it, and remove it",
        )
    return None


PUBLIC, OWNER_ONLY = 0o644, 0o600
"""Permissions of files: everybody may read them, or only their owner."""


def write_atomically(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Replace `path` with `data` in one step; at no moment does the file have other permissions than `mode`.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    write_together({path: data}, mode)


def write_together(files: Mapping[Path, bytes], mode: int = PUBLIC) -> None:
    """Replace each path with its data in one step, after all data is on the disk; none if one does not fit there.

    A process killed between two of the last renames leaves the later paths as they were.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    temporary: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary[path] = write_temporary(path.parent, data, mode)
        for path in files:
            with storage_errors(path):
                temporary[path].replace(path)
                del temporary[path]
                sync_folder(path.parent)
    finally:
        for left in temporary.values():
            with suppress(OSError):
                left.unlink()


def write_temporary(folder: Path, data: bytes, mode: int = PUBLIC) -> Path:
    """Write `data` to a new file in `folder` and flush it to the disk; remove the file if that fails."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".tmp-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power loss; Windows does that itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_at(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at an offset of an open file; thread-safe for disjoint ranges."""
    view = memoryview(data)
    while view:
        done = _pwrite(handle, view, offset)
        view, offset = view[done:], offset + done


def read_at(handle: int, size_bytes: int, offset: int) -> Iterator[bytes]:
    """Yield the bytes at an offset of an open file in chunks of at most 1 MiB; thread-safe.

    Raises:
        EOFError: the file ends before.
    """
    end = offset + size_bytes
    while offset < end:
        chunk = _pread(handle, min(_CHUNK, end - offset), offset)
        if not chunk:
            raise EOFError("the file is shorter than expected")
        yield chunk
        offset += len(chunk)


_POSITION = threading.Lock()
"""Windows has only one position per file, so there a seek and what follows it must be atomic."""


def _pwrite(handle: int, data: memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(handle, data, offset)
    with _POSITION:
        os.lseek(handle, offset, os.SEEK_SET)
        return os.write(handle, data)


def _pread(handle: int, size_bytes: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, size_bytes, offset)
    with _POSITION:
        os.lseek(handle, offset, os.SEEK_SET)
        return os.read(handle, size_bytes)


def file_version(path: Path) -> tuple[int, ...]:
    """What changes whenever a file is replaced or edited; empty if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def link_or_copy(source: Path, target: Path) -> None:
    """Give `target` the bytes of `source`: a hard link if possible, else a copy."""
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                raise
            shutil.copyfile(source, target)


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    sha = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def files_below(folder: Path) -> list[str]:
    """Relative POSIX paths of all regular files below `folder`, sorted; links are rejected.

    Raises:
        StorageError: there is a symbolic link or a special file.
    """
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise StorageError(
                "Only plain files can be stored.",
                where=str(path),
                remedy="replace the link with the file it points to",
            )
        if path.is_file():
            found.append(path.relative_to(folder).as_posix())
    return sorted(found)


def folder_bytes(folder: Path, *, allocated: bool = False) -> int:
    """Total size of all files in a folder, without holes if `allocated`; files may vanish in the meantime."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            stat = path.lstat()
            size = min(stat.st_size, getattr(stat, "st_blocks", stat.st_size) * 512) if allocated else stat.st_size
            total += size if path.is_file() else 0
    return total


def remove_tree(folder: Path) -> None:
    """Delete a folder with all its contents, if it exists; files may be read-only."""
    if folder.exists():
        shutil.rmtree(folder)
