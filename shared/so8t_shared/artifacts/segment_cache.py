"""Small JSON objects outside any artifact, such as single answers, that later runs reuse.

They are kept in segments below cache/<namespace>/<owner>/, where the owner is the fingerprint of the artifact that is
being made. An entry that another owner wrote is copied when it is used, so each owner's folder has all it needs, and
`gc` deletes the folder with the owner's last session. Entries of earlier versions (a file each) are ignored.

Other owners' segments are read when a key is missing, newest first, and only until it is found. A namespace should thus
hold what is likely to be shared; `Shelves` has one for each model.

New entries are written together: at the latest with the 100th, or with the first one a second after the last write (30
seconds in a bucket, where a write is a request). A kill loses at most what came since; `close` writes the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from so8t_shared.artifacts.blocks import count_of, key_bytes, keys_of, pack, split, unpack
from so8t_shared.artifacts.segment_writer import ENTRIES, SUFFIX, SegmentWriter
from so8t_shared.errors import So8tError
from so8t_shared.store.base import ArtifactStore, check_key

WRITE_AFTER = 100
"""New entries that are written together."""
WRITE_AFTER_S = 1.0
WRITE_AFTER_REMOTE_S = 30.0
_BLOCK = 64
_UNPACKED_BLOCKS = 16
_SMALL_SEGMENTS = 8
"""That many segments of killed or short runs in a folder are merged."""
_FOREIGN_SEGMENTS = 4_096
"""Only the newest segments of other owners are read, so that a miss has a bounded cost."""


class SegmentCache:
    """Objects by the sha256 of what determines them, for one thread; a damaged or newer one counts as absent."""

    def __init__(
        self, store: ArtifactStore, namespace: str, owner: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._root = check_key(f"cache/{namespace}")
        self._own = check_key(f"{self._root}/{owner}")
        self._writer = SegmentWriter(store, self._own)
        self._clock = clock
        self._written = clock() - WRITE_AFTER_REMOTE_S
        self._blocks: list[bytes] | None = None
        """Packed blocks of all segments, read at the first `get`."""
        self._places: dict[bytes, int] = {}
        """Number of the block with a key's newest entry."""
        self._foreign: set[int] = set()
        """Blocks of other owners."""
        self._unread: list[str] = []
        """Other owners' segments that were not read so far, newest last."""
        self._pending: dict[bytes, dict[str, Any]] = {}
        self._new = 0
        """Pending entries that are nowhere else."""
        self._unpacked = lru_cache(_UNPACKED_BLOCKS)(self._unpack)

    def get(self, key: str) -> dict[str, Any] | None:
        """The object, or None."""
        found = key_bytes(key)
        if found in self._pending:
            return self._pending[found]
        if self._blocks is None:
            self._blocks = []
            self._read()
        while found not in self._places and self._unread:
            self._read_foreign(self._unread.pop())
        place = self._places.get(found)
        entry = None if place is None else self._unpacked(place).get(found)
        if entry is not None and place in self._foreign:
            self._add(found, entry)
        return entry

    def put(self, key: str, entry: dict[str, Any]) -> None:
        """Add or replace an object; it is durable after the next write."""
        self._new += 1
        self._add(key_bytes(key), entry)

    def write_late(self) -> None:
        """Write new entries if the last write was long ago."""
        wait_s = WRITE_AFTER_REMOTE_S if self._store.remote else WRITE_AFTER_S
        if self._new and self._clock() - self._written >= wait_s:
            self._write()

    def close(self) -> None:
        """Write what is pending.

        Raises:
            StorageError: the disk is full, read-only or not ours.
            ServerError: the server does not answer.
        """
        self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            with suppress(So8tError):  # the first error is the one to report
                self.close()

    def _add(self, key: bytes, entry: dict[str, Any]) -> None:
        self._pending[key] = entry
        if self._new >= WRITE_AFTER or len(self._pending) >= ENTRIES:
            self._write()
        self.write_late()

    def _write(self) -> None:
        entries = list(self._pending.items())
        if not entries:
            return
        blocks = [pack(entries[i : i + _BLOCK]) for i in range(0, len(entries), _BLOCK)]
        self._writer.write(b"".join(blocks), len(entries))
        self._written, self._new = self._clock(), 0
        self._pending.clear()
        if self._blocks is not None:
            for block in blocks:
                self._index(block)

    def _read(self) -> None:
        """Index the own segments, and merge small ones."""
        keys = [key for key in self._store.list(self._root) if key.endswith(SUFFIX)]
        own = [key for key in keys if key.startswith(f"{self._own}/")]
        self._unread = sorted(set(keys).difference(own), key=_begun)[-_FOREIGN_SEGMENTS:]
        small: dict[str, list[bytes]] = {}
        for key in own:
            blocks = list(split(self._store.get_bytes(key) or b""))
            for block in blocks:
                self._index(block)
            if sum(map(count_of, blocks)) <= ENTRIES // 2:
                small[key] = blocks
        if len(small) >= _SMALL_SEGMENTS and not self._store.remote:  # in a bucket, a stage may not delete answers
            self._merge(small)

    def _merge(self, small: dict[str, list[bytes]]) -> None:
        """Write the blocks of own small segments again, into as few as possible, and delete those.

        The owner's lease makes this its only live process. One that lost the lease finds its segment gone and begins
        another.
        """
        writer, part = SegmentWriter(self._store, self._own), list[bytes]()
        for block in (block for blocks in small.values() for block in blocks):
            part.append(block)
            if sum(map(count_of, part)) >= ENTRIES:
                writer.write(b"".join(part), ENTRIES)
                part.clear()
        if part:
            writer.write(b"".join(part), ENTRIES)
        for key in small:
            self._store.delete(key)

    def _index(self, block: bytes) -> None:
        assert self._blocks is not None
        self._places.update(dict.fromkeys(keys_of(block), len(self._blocks)))
        self._blocks.append(block)

    def _read_foreign(self, key: str) -> None:
        """Index what an older segment adds: an own or newer entry counts, and mere copies take no memory."""
        assert self._blocks is not None
        for block in reversed(list(split(self._store.get_bytes(key) or b""))):
            if added := set(keys_of(block)).difference(self._places):
                self._places.update(dict.fromkeys(added, len(self._blocks)))
                self._foreign.add(len(self._blocks))
                self._blocks.append(block)

    def _unpack(self, number: int) -> dict[bytes, dict[str, Any]]:
        assert self._blocks is not None
        return dict(unpack(self._blocks[number]))


def _begun(key: str) -> str:
    """A segment's name without its owner; sorts by time."""
    return key.rpartition("/")[2]
