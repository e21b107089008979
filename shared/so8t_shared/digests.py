"""Digests of files, remembered as long as the file has not changed.

A file counts as unchanged while its size, modification time, change time and inode are the same
(the rule by which git decides). So an unchanged 7 GB model is read once, and touching or moving it
costs a reading but gives the same digest.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from so8t_shared.files import sha256_file

_SCHEMA = "CREATE TABLE IF NOT EXISTS digest (path BLOB PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL)"


class DigestCache:
    """sha256 by path, kept in one SQLite file that several processes may use at once.

    It is only a memory: where it is damaged, locked or cannot be written, digests are computed.
    """

    def __init__(self, database: Path, *, patience_s: float = 30.0) -> None:
        self._database = database
        self._patience_s = patience_s

    def sha256(self, path: Path) -> str:
        """sha256 of the file, from memory where nothing about the file has changed."""
        path = path.absolute()
        state = _state(path)
        found = self._remembered("SELECT state, sha256 FROM digest WHERE path = ?", (os.fsencode(path),))
        if found is not None and found[0] == state:
            return str(found[1])
        value = sha256_file(path)
        self._store(path, state, value)
        return value

    def remember(self, path: Path, sha256: str) -> None:
        """Note the digest of a file that was just written by us."""
        path = path.absolute()
        self._store(path, _state(path), sha256)

    def recall(self, name: str, state: str) -> str | None:
        """What `note` was told of something that is no file, such as an object of a bucket and its etag."""
        found = self._remembered("SELECT state, sha256 FROM digest WHERE path = ?", (name.encode("utf-8"),))
        return str(found[1]) if found is not None and found[0] == state else None

    def note(self, name: str, state: str, sha256: str) -> None:
        """Note the digest of something that is no file."""
        self._remembered("INSERT OR REPLACE INTO digest VALUES (?, ?, ?)", (name.encode("utf-8"), state, sha256))

    def _store(self, path: Path, state: str, sha256: str) -> None:
        self._remembered("INSERT OR REPLACE INTO digest VALUES (?, ?, ?)", (os.fsencode(path), state, sha256))

    def _remembered(self, statement: str, values: tuple[bytes | str, ...]) -> tuple[str, str] | None:
        """The first row that a statement gives; None also where there is no usable memory."""
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._database, timeout=self._patience_s)) as connection, connection:
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute(_SCHEMA)
                row: tuple[str, str] | None = connection.execute(statement, values).fetchone()
                return row
        except sqlite3.OperationalError as error:
            if "no such column" in str(error) or "has no column" in str(error) or "values were supplied" in str(error):
                self._forget()  # written by another version of this program
        except sqlite3.DatabaseError:
            self._forget()
        except OSError:
            pass
        return None

    def _forget(self) -> None:
        with suppress(OSError):
            self._database.unlink(missing_ok=True)


def _state(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}:{stat.st_dev}"
