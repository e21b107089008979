"""Digests of files and of a bucket's objects, cached as long as nothing changes.

A file counts as unchanged while its size, modification time, change time and inode stay the same
(git's rule). So an unchanged 7 GB model is read once; touching or moving it costs another read but
gives the same digest. An object is unchanged while its etag stays the same. Rot on the disk changes none of these, so
what a stage is about to read is read whole once by its process (`sha256_read`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from so8t_shared.files import sha256_file

_VERSION = 2
_TABLES = {
    "file": "path BLOB PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL",
    "object": "name TEXT PRIMARY KEY, etag TEXT NOT NULL, sha256 TEXT",
}
_FORMER_TABLES = ("digest",)

Value = bytes | str | None

_READ_HERE: set[tuple[Path, str]] = set()
"""Path and state of the files that this process has read; a later state is another file."""


_WRITTEN_HERE: dict[tuple[int, ...], str] = {}
"""Digests of files that this process has written; moving or linking a file keeps its key."""


def remember_written(path: Path, sha256: str) -> None:
    """Note the sha256 of a file that this process has just written: storing and loading it will not read it."""
    _WRITTEN_HERE[_identity(path)] = sha256


def _known(path: Path) -> str | None:
    return _WRITTEN_HERE.get(_identity(path)) if _WRITTEN_HERE else None


def _identity(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def sha256_now(path: Path) -> str:
    """sha256 of a file's bytes, which are read unless this process has written them and knows it."""
    return _known(path) or sha256_file(path)


def written_key(path: Path) -> tuple[int, ...]:
    """What `keep_written` needs to know of a file before it is moved."""
    return _identity(path)


def keep_written(before: tuple[int, ...], path: Path) -> None:
    """Keep what is known of a file that was written here, after it was moved and its time was set."""
    now = _identity(path)
    if before in _WRITTEN_HERE and now[:3] == before[:3]:
        _WRITTEN_HERE[now] = _WRITTEN_HERE[before]


class _Memory:
    """One SQLite file that several processes may use at once.

    It is only a cache: if it is damaged, locked, from another version or not writable, it acts as empty.
    """

    def __init__(self, database: Path, patience_s: float, *, read_only: bool = False) -> None:
        self._database = database
        self._patience_s = patience_s
        self._read_only = read_only

    def ask(self, statement: str, *values: Value) -> tuple[Value, ...] | None:
        """The first row of a statement's result; also None if the cache is unusable."""
        try:
            with closing(self._connection()) as connection, connection:
                row: tuple[Value, ...] | None = connection.execute(statement, values).fetchone()
                return row
        except (sqlite3.OperationalError, OSError):
            return None
        except sqlite3.DatabaseError:
            if not self._read_only:
                with suppress(OSError):
                    self._database.unlink(missing_ok=True)
            return None

    def _connection(self) -> sqlite3.Connection:
        if self._read_only:
            return sqlite3.connect(f"{self._database.absolute().as_uri()}?mode=ro", uri=True, timeout=self._patience_s)
        self._database.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._database, timeout=self._patience_s)
        connection.execute("PRAGMA synchronous = OFF")
        _bring_to_version(connection)
        return connection


def _bring_to_version(connection: sqlite3.Connection) -> None:
    """Create the tables; drop tables of another version of this program."""
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) != _VERSION:  # otherwise another process was faster
        for name in (*_FORMER_TABLES, *_TABLES):
            connection.execute(f"DROP TABLE IF EXISTS {name}")
        for name, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


class DigestCache:
    """sha256 of files by path."""

    def __init__(self, database: Path, *, patience_s: float = 30.0, read_only: bool = False) -> None:
        """With `read_only`, nothing new is kept, and no file is made."""
        self._memory = _Memory(database, patience_s, read_only=read_only)

    def sha256(self, path: Path) -> str:
        """sha256 of the file, from the cache if the file is unchanged; rot on the disk changes none of that."""
        path = path.absolute()
        state = file_state(path)
        return self._noted(os.fsencode(path), state) or self._read(path, state)

    def derived(self, path: Path, what: str, compute: Callable[[Path], str]) -> str:
        """Another digest of the file, named `what`, from the cache if the file is unchanged."""
        path = path.absolute()
        name, state = os.fsencode(path) + b"\0" + what.encode(), file_state(path)
        value = self._noted(name, state)
        if value is None:
            value = compute(path)
            self._note(name, state, value)
        return value

    def sha256_read(self, path: Path) -> str:
        """sha256 of the bytes as they are, read at least once by this process: rot is noticed."""
        path = path.absolute()
        state = file_state(path)
        return self.sha256(path) if (path, state) in _READ_HERE else self._read(path, state)

    def _read(self, path: Path, state: str) -> str:
        value = sha256_now(path)
        self._note(os.fsencode(path), state, value)
        _READ_HERE.add((path, state))
        return value

    def remember(self, path: Path, sha256: str) -> None:
        """Cache the digest of a file that we have just written."""
        path = path.absolute()
        self._note(os.fsencode(path), file_state(path), sha256)

    def _noted(self, name: bytes, state: str) -> str | None:
        found = self._memory.ask("SELECT state, sha256 FROM file WHERE path = ?", name)
        return str(found[1]) if found is not None and found[0] == state else None

    def _note(self, name: bytes, state: str, sha256: str) -> None:
        self._memory.ask("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", name, state, sha256)


class ObjectDigests:
    """sha256 of a bucket's objects by name and etag, and doubts about them."""

    def __init__(self, database: Path, *, patience_s: float = 30.0) -> None:
        self._memory = _Memory(database, patience_s)

    def recall(self, name: str, etag: str) -> str | None:
        """The cached digest for that etag; also None if it is in doubt."""
        found = self._row(name, etag)
        return None if found is None or found[1] is None else str(found[1])

    def in_doubt(self, name: str, etag: str) -> bool:
        """Whether the object's bytes are in doubt until it is read again."""
        found = self._row(name, etag)
        return found is not None and found[1] is None

    def note(self, name: str, etag: str, sha256: str) -> None:
        """Cache the digest of bytes that were sent or read; clears a doubt."""
        self._memory.ask("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", name, etag, sha256)

    def doubt(self, name: str, etag: str) -> None:
        """Record that reading gave unexpected bytes or failed."""
        self._memory.ask("INSERT OR REPLACE INTO object VALUES (?, ?, NULL)", name, etag)

    def _row(self, name: str, etag: str) -> tuple[Value, ...] | None:
        found = self._memory.ask("SELECT etag, sha256 FROM object WHERE name = ?", name)
        return found if found is not None and found[0] == etag else None


def file_state(path: Path) -> str:
    """What changes whenever a file is changed or replaced."""
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}:{stat.st_dev}"
