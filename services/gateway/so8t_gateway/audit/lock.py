"""One process writes an audit log: a file lock in its folder keeps a second one away."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from so8t_shared.errors import InputError
from so8t_shared.files import storage_errors

_LOCK = "writer.lock"


class WriterPresent(InputError):
    """Another process writes the log."""


def locked(folder: Path) -> FileLock:
    """The right to write, until it is released.

    Raises:
        WriterPresent: another process has it.
    """
    lock = FileLock(folder / _LOCK, timeout=0, thread_local=False)
    with storage_errors(folder):
        try:
            lock.acquire()
        except Timeout:
            raise WriterPresent(
                "Another process writes this audit log.",
                where=str(folder),
                remedy="stop it, or give each service a think.audit.folder of its own",
            ) from None
    return lock
