"""A folder as artifact store.

Writes go to a temporary file on the same disk and are renamed; put-if-absent is a hard link, which
fails when the name exists; compare-and-put holds a lock file. Safe for processes of one host and
for a shared file system with working locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from so8t_shared.files import storage_errors, sync_folder, write_temporary
from so8t_shared.store.base import ObjectStat, check_key

_INTERNAL = ".local"
_READ_ONLY = 0o444
_TRIES = 5


class LocalStore:
    """Objects as files below `root`; those under artifacts/ are made read-only."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._temporary = self._root / _INTERNAL / "tmp"
        self._locks = self._root / _INTERNAL / "locks"
        with storage_errors(self._root):
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._locks.mkdir(parents=True, exist_ok=True)

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._root)

    @property
    def local_root(self) -> Path:
        """A folder inside the store that is no object."""
        return self._root / _INTERNAL

    def put_bytes(self, key: str, data: bytes) -> ObjectStat:
        """Write an object, replacing an older one."""
        target = self._target(key)
        with storage_errors(target):
            temporary = write_temporary(self._temporary, data)
            return self._install(temporary, target)

    def put_file(self, key: str, source: Path, *, move: bool = False) -> ObjectStat:
        """Write a file's bytes as an object; with `move` a file on the same disk is renamed, not copied."""
        target = self._target(key)
        with storage_errors(target):
            temporary = self._temporary / uuid.uuid4().hex
            try:
                if move and source.stat().st_dev == self._root.stat().st_dev:
                    source.replace(temporary)
                else:
                    shutil.copyfile(source, temporary)
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
                return self._install(temporary, target)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise

    def _install(self, temporary: Path, target: Path) -> ObjectStat:
        if target.relative_to(self._root).parts[0] == "artifacts":
            temporary.chmod(_READ_ONLY)
        for _ in range(_TRIES):  # a delete elsewhere may take the empty folder away in between
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                temporary.replace(target)
                break
        sync_folder(target.parent)
        return _stat(target)

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None when there is none."""
        try:
            return self._target(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def get_file(self, key: str, target: Path) -> bool:
        """Copy an object to a new file; False when there is no such object."""
        source = self._target(key)
        if not source.is_file():
            return False
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return True

    def local_path(self, key: str) -> Path | None:
        """The object's own file (read only!), or None when there is no such object."""
        target = self._target(key)
        return target if target.is_file() else None

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and etag of one and the same version, or None."""
        try:
            with self._target(key).open("rb") as file:
                return file.read(), _etag(os.fstat(file.fileno()))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Write unless an object is there; the etag, or None when one was there."""
        target = self._target(key)
        with storage_errors(target), self._locked(key):
            temporary = write_temporary(self._temporary, data)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(temporary, target)
            except FileExistsError:
                return None
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(target.parent)
            return _stat(target).etag

    def compare_and_put(self, key: str, data: bytes, etag: str) -> str | None:
        """Write only if the object still has `etag`; the new etag, or None when it has not."""
        target = self._target(key)
        with storage_errors(target), self._locked(key):
            current = self.stat(key)
            if current is None or current.etag != etag:
                return None
            return self._install(write_temporary(self._temporary, data), target).etag

    def stat(self, key: str) -> ObjectStat | None:
        """Size and etag, or None when there is no such object."""
        target = self._target(key)
        try:
            return _stat(target) if target.is_file() else None
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (a folder), sorted."""
        base = self._root / check_key(prefix.rstrip("/"))
        for path in sorted(p for p in base.rglob("*") if p.is_file()):
            yield path.relative_to(self._root).as_posix()

    def delete(self, key: str) -> None:
        """Remove an object and the folders that it leaves empty; absent is fine."""
        target = self._target(key)
        with storage_errors(target):
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

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        name = hashlib.sha256(key.encode()).hexdigest()[:2]  # 256 lock files serve all keys
        with (self._locks / name).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _stat(path: Path) -> ObjectStat:
    stat = path.stat()
    return ObjectStat(stat.st_size, _etag(stat))


def _etag(stat: os.stat_result) -> str:
    return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
