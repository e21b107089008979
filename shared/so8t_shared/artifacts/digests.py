"""Digests of files and of a bucket's objects, remembered as long as nothing has changed.

A file counts as unchanged while its size, modification time, change time and inode are the same
(the rule by which git decides). So an unchanged 7 GB model is read once, and touching or moving it
costs a reading but gives the same digest. An object is unchanged while its etag is the same.
"""

from __future__ import annotations

import os
import sqlite3
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


class _Memory:
    """One SQLite file that several processes may use at once.

    It is only a memory: where it is damaged, locked, of another version or cannot be written, it is empty.
    """

    def __init__(self, database: Path, patience_s: float) -> None:
        self._database = database
        self._patience_s = patience_s

    def ask(self, statement: str, *values: Value) -> tuple[Value, ...] | None:
        """The first row that a statement gives; None also where there is no usable memory."""
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._database, timeout=self._patience_s)) as connection, connection:
                connection.execute("PRAGMA synchronous = OFF")
                _bring_to_version(connection)
                row: tuple[Value, ...] | None = connection.execute(statement, values).fetchone()
                return row
        except (sqlite3.OperationalError, OSError):
            return None
        except sqlite3.DatabaseError:
            with suppress(OSError):
                self._database.unlink(missing_ok=True)
            return None


def _bring_to_version(connection: sqlite3.Connection) -> None:
    """Make the tables; those of another version of this program are dropped."""
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) != _VERSION:  # else another process has done it meanwhile
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

    def __init__(self, database: Path, *, patience_s: float = 30.0) -> None:
        self._memory = _Memory(database, patience_s)

    def sha256(self, path: Path) -> str:
        """sha256 of the file, from memory where nothing about the file has changed."""
        path = path.absolute()
        state = _state(path)
        found = self._memory.ask("SELECT state, sha256 FROM file WHERE path = ?", os.fsencode(path))
        if found is not None and found[0] == state:
            return str(found[1])
        value = sha256_file(path)
        self._note(path, state, value)
        return value

    def remember(self, path: Path, sha256: str) -> None:
        """Note the digest of a file that was just written by us."""
        path = path.absolute()
        self._note(path, _state(path), sha256)

    def _note(self, path: Path, state: str, sha256: str) -> None:
        self._memory.ask("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", os.fsencode(path), state, sha256)


class ObjectDigests:
    """sha256 of a bucket's objects by name and etag, and doubts about them."""

    def __init__(self, database: Path, *, patience_s: float = 30.0) -> None:
        self._memory = _Memory(database, patience_s)

    def recall(self, name: str, etag: str) -> str | None:
        """The digest that was noted for that etag; None also where it is in doubt."""
        found = self._row(name, etag)
        return None if found is None or found[1] is None else str(found[1])

    def in_doubt(self, name: str, etag: str) -> bool:
        """Whether nothing but reading the object can say what its bytes are."""
        found = self._row(name, etag)
        return found is not None and found[1] is None

    def note(self, name: str, etag: str, sha256: str) -> None:
        """Note the digest of bytes that were sent or read; it ends a doubt."""
        self._memory.ask("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", name, etag, sha256)

    def doubt(self, name: str, etag: str) -> None:
        """Reading gave other bytes than expected, or none."""
        self._memory.ask("INSERT OR REPLACE INTO object VALUES (?, ?, NULL)", name, etag)

    def _row(self, name: str, etag: str) -> tuple[Value, ...] | None:
        found = self._memory.ask("SELECT etag, sha256 FROM object WHERE name = ?", name)
        return found if found is not None and found[0] == etag else None


def _state(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}:{stat.st_dev}"
