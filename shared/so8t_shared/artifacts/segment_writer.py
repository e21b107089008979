"""Writes blocks into segments that no other process writes to.

A folder's segment is a file that grows at its end, with one flush to the disk per call. An object in a bucket cannot
grow, so a segment, which is small, is sent again whole: one request per call. A process that is killed leaves at most
one torn block, at the end of a file that nobody continues.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from so8t_shared.files import storage_errors
from so8t_shared.store.base import ArtifactStore

ENTRIES = 2_048
"""A segment with that many is full."""
SUFFIX = ".seg"


class SegmentWriter:
    """Writes below `prefix`; names sort by the time at which their segment was begun."""

    def __init__(self, store: ArtifactStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._key = ""
        """The segment that is being written; empty before the first, and after a full or failed one."""
        self._entries = 0
        self._sent = b""
        """Its bytes, if it has to be sent again."""

    def write(self, blocks: bytes, entries: int) -> None:
        """Append blocks; they are durable when this returns.

        Raises:
            StorageError: the disk is full, read-only or not ours.
            ServerError: the server does not answer.
        """
        key, self._key = self._key, ""  # after a failure its end may be torn: begin another
        if not (key and self._appended(key, blocks)):
            key, self._entries, self._sent = self._new_key(), 0, blocks
            self._store.put_bytes(key, blocks)
        self._entries += entries
        self._key = key if self._entries < ENTRIES else ""

    def _appended(self, key: str, blocks: bytes) -> bool:
        """Whether the segment was there to append to."""
        if self._store.remote:
            self._sent += blocks
            self._store.put_bytes(key, self._sent)
            return True
        path = self._store.local_path(key)
        return path is not None and _append(path, blocks)

    def _new_key(self) -> str:
        return f"{self._prefix}/{time.time_ns():020d}-{uuid.uuid4().hex[:12]}{SUFFIX}"


def _append(path: Path, data: bytes) -> bool:
    """Append and flush to the disk; False if the file is gone."""
    with storage_errors(path):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return False
        with os.fdopen(handle, "ab", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
    return True
