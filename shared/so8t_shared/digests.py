"""Digests of files, remembered as long as the file has not changed.

A file counts as unchanged while its size, modification time, change time and inode are the same
(the rule by which git decides). So an unchanged 7 GB model is read once, and touching or moving it
costs a reading but gives the same digest.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from so8t_shared.files import sha256_file, storage_errors

_SCHEMA = "CREATE TABLE IF NOT EXISTS digest (path TEXT PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL)"


class DigestCache:
    """sha256 by path, kept in one SQLite file that several processes may use at once."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def sha256(self, path: Path) -> str:
        """sha256 of the file, from memory where nothing about the file has changed."""
        path = path.absolute()
        state = _state(path)
        with closing(self._connect()) as connection, connection:
            row = connection.execute("SELECT state, sha256 FROM digest WHERE path = ?", (str(path),)).fetchone()
        if row is not None and row[0] == state:
            return str(row[1])
        value = sha256_file(path)
        self._store(path, state, value)
        return value

    def remember(self, path: Path, sha256: str) -> None:
        """Note the digest of a file that was just written by us."""
        path = path.absolute()
        self._store(path, _state(path), sha256)

    def _store(self, path: Path, state: str, sha256: str) -> None:
        with closing(self._connect()) as connection, connection:
            connection.execute("INSERT OR REPLACE INTO digest VALUES (?, ?, ?)", (str(path), state, sha256))

    def _connect(self) -> sqlite3.Connection:
        with storage_errors(self._database):
            self._database.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._open()
        except sqlite3.DatabaseError:
            self._database.unlink(missing_ok=True)  # only a memory: rebuilt when damaged
            return self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._database, timeout=30)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_SCHEMA)
        return connection


def _state(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}:{stat.st_dev}"
