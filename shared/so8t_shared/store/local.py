"""A folder as artifact store.

Writes go to a temporary file on the same disk, which is then renamed; put-if-absent uses a hard link,
which fails if the name exists; every change of an object holds a lock file, so that compare-and-put is
atomic. Safe for processes on one host, and on a shared file system with working locks.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from filelock import lock_descriptor

from so8t_shared.files import make_folder, sha256_file, storage_errors, sync_folder, write_temporary
from so8t_shared.store.base import ObjectStat, check_key
from so8t_shared.store.taking import remove_left_files, taken_file

_INTERNAL = ".local"
_READ_ONLY = 0o444
_TRIES = 100
_LOCK_POLL_S = 0.002
_NO_OBJECT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class LocalStore:
    """Objects as files below `root`; files under artifacts/ are made read-only.

    A missing root is an empty store; the first write creates it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._temporary = self._root / _INTERNAL / "tmp"
        self._locks = self._root / _INTERNAL / "locks"
        self._check: Callable[[], None] = _go_on
        with storage_errors(self._root), contextlib.suppress(FileNotFoundError):
            # A file instead of the folder would look like an empty store.
            os.stat(f"{self._root}/")  # noqa: PTH116 - a Path would drop the slash, which requires a folder
        remove_left_files(self._temporary)

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._root)

    @property
    def local_root(self) -> Path:
        """A folder inside the store that contains no objects."""
        return self._root / _INTERNAL

    @property
    def remote(self) -> bool:
        """False: the objects are files on this host."""
        return False

    def patient(self, seconds: float) -> Self:
        """Itself: a folder responds or fails immediately."""
        del seconds
        return self

    def checked(self, check: Callable[[], None]) -> Self:
        """The same folder; `check` is called before each file."""
        checked = copy.copy(self)
        checked._check = check
        return checked

    def put_bytes(self, key: str, data: bytes) -> ObjectStat:
        """Write an object, replacing an older one."""
        target = self._target(key)
        with storage_errors(target):
            temporary = self._written(data)
            with _removed(temporary), self._locked(key):
                return self._install(temporary, target)

    def put_file(self, key: str, source: Path, *, move: bool = False) -> ObjectStat:
        """Write a file's bytes as an object; with `move`, a file on the same disk is renamed, not copied."""
        target = self._target(key)
        self._check()
        make_folder(self._temporary)
        with storage_errors(target):
            move = move and source.stat().st_dev == self._root.stat().st_dev
            with taken_file(source, self._temporary, move=move) as temporary, self._locked(key):
                return self._install(temporary, target)

    def _install(self, temporary: Path, target: Path) -> ObjectStat:
        self._seal(temporary, target)
        _in_its_folder(target, lambda: temporary.replace(target))
        sync_folder(target.parent)
        return _stat(target)

    def _seal(self, temporary: Path, target: Path) -> None:
        """Set a file's permissions, and a time that makes the etag of every write unique.

        By itself, a file system may give files written in quick succession the same time.
        """
        if target.relative_to(self._root).parts[0] == "artifacts":
            temporary.chmod(_READ_ONLY)
        moment = time.time_ns()
        os.utime(temporary, ns=(moment, moment))

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None if there is no such object."""
        current = self.read_versioned(key)
        return None if current is None else current[0]

    def get_file(self, key: str, target: Path) -> ObjectStat | None:
        """Copy an object to a new file; None if there is no such object."""
        source = self._target(key)
        self._check()
        stat = self.stat(key)
        if stat is None:
            return None
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, target)
            except OSError:
                target.unlink(missing_ok=True)
                raise
        return stat

    def checksum(self, key: str) -> ObjectStat | None:
        """Read the whole object; return its size, etag and sha256."""
        stat = self.stat(key)
        return None if stat is None else replace(stat, sha256=sha256_file(self._target(key)))

    def read_part(self, key: str, start: int, size_bytes: int, etag: str) -> bytes | None:
        """Bytes of an object, from `start` on; None if it is gone or no longer has `etag`."""
        current = self._read(key, start, size_bytes)
        return current[0] if current and current[1] == etag else None

    def local_path(self, key: str) -> Path | None:
        """The object's own file (read only!), or None if there is no such object."""
        target = self._target(key)
        return target if target.is_file() else None

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag of the same version, or None."""
        return self._read(key)

    def _read(self, key: str, start: int = 0, most: int = -1) -> tuple[bytes, str] | None:
        target = self._target(key)
        with storage_errors(target):
            try:
                with target.open("rb") as file:
                    file.seek(start)
                    return file.read(most), _etag(os.fstat(file.fileno()))
            except _NO_OBJECT:
                return None

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Write unless the object exists; return the etag, or None if it existed."""
        target = self._target(key)
        with storage_errors(target):
            temporary = self._written(data)
            with _removed(temporary), self._locked(key):
                self._seal(temporary, target)
                try:
                    _in_its_folder(target, lambda: os.link(temporary, target))
                except FileExistsError:
                    if target.is_file():
                        return None
                    raise  # a file exists where the folder should be
                sync_folder(target.parent)
                return _stat(target).etag

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        """Write only if the object still has `etag`; return the new etag, or None if it has changed."""
        target = self._target(key)
        with storage_errors(target):
            temporary = self._written(data)
            with _removed(temporary), self._locked(key):
                current = self.stat(key)
                if current is None or current.etag != etag:
                    return None
                return self._install(temporary, target).etag

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag, or None if there is no such object."""
        target = self._target(key)
        try:
            return _stat(target) if target.is_file() else None
        except _NO_OBJECT:
            return None

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (a folder), sorted."""
        yield from (path.relative_to(self._root).as_posix() for path in self._below(prefix))

    def listing(self, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
        """All keys below `prefix` with size and etag; one removed meanwhile is left out."""
        for path in self._below(prefix):
            with contextlib.suppress(*_NO_OBJECT), storage_errors(path):
                yield path.relative_to(self._root).as_posix(), _stat(path)

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders directly below `prefix` that contain an object, sorted."""
        base = self._root / check_key(prefix.rstrip("/"))
        names: list[str] = []
        if base.is_file():
            return
        with contextlib.suppress(FileNotFoundError), storage_errors(base), os.scandir(base) as entries:
            names = sorted(entry.name for entry in entries if any(files for _, _, files in os.walk(entry.path)))
        yield from names

    def _below(self, prefix: str) -> tuple[Path, ...]:
        base = self._root / check_key(prefix.rstrip("/"))
        with storage_errors(base):
            paths = [Path(folder, name) for folder, _, names in os.walk(base, onerror=_unless_gone) for name in names]
        return tuple(sorted(paths, key=lambda path: path.relative_to(self._root).as_posix()))

    def delete(self, key: str) -> None:
        """Remove an object, if it exists, and the folders left empty."""
        target = self._target(key)
        if not target.is_file():
            return
        with storage_errors(target), self._locked(key):
            target.unlink(missing_ok=True)
        for folder in target.parents:
            if folder == self._root:
                break
            try:
                folder.rmdir()
            except OSError:
                break

    def _target(self, key: str) -> Path:
        return self._root / check_key(key)

    def _written(self, data: bytes) -> Path:
        """Write `data` to a temporary file on the store's disk."""
        make_folder(self._temporary)
        return write_temporary(self._temporary, data)

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        make_folder(self._locks)
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:2]  # 256 lock files serve all keys
        with (self._locks / name).open("a") as file:
            lock_descriptor(file.fileno(), poll_interval=_LOCK_POLL_S)
            yield


def _go_on() -> None:
    """The default check, which never raises."""


@contextlib.contextmanager
def _removed(temporary: Path) -> Iterator[None]:
    """Remove the temporary file, however the block ends."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _in_its_folder(target: Path, place: Callable[[], object]) -> None:
    """Make the target's folder and call `place`; retry if another process's delete removes the empty folder."""
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            _make_folder(target.parent)
            place()
            return
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if any(path.is_file() for path in (folder, *folder.parents)):
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder)) from error


def _unless_gone(error: OSError) -> None:
    """Continue listing if another process has removed a folder."""
    if not isinstance(error, _NO_OBJECT):
        raise error


def _stat(path: Path) -> ObjectStat:
    stat = path.stat()
    return ObjectStat(stat.st_size, _etag(stat))


def _etag(stat: os.stat_result) -> str:
    return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
