"""Large objects in parts: part size, parallelism, and downloads; `upload` has the uploads.

A download requests all parts with one etag, so that it never mixes two versions, and hashes them in transit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from so8t_shared.store.failures import Failure
from so8t_shared.store.parallel import Wanted, in_order

PART_BYTES = 16 << 20
WORKERS = 4
_MOST_PARTS = 9_000
_MIB = 1 << 20


class Read(Protocol):
    """A GET of an object's bytes, retried while the server does not respond; `still` may raise to stop retrying."""

    def __call__(self, key: str, *, headers: Mapping[str, str], still: Callable[[], None]) -> bytes:
        """Send the request."""
        ...


@dataclass(frozen=True)
class Parts:
    """Size of a part in bytes, and how many are transferred at once."""

    part_bytes: int = PART_BYTES
    workers: int = WORKERS

    def size_for(self, total_bytes: int) -> int:
        """Part size for an object; larger if the server's limit of 10,000 parts requires it."""
        least = -(-total_bytes // _MOST_PARTS)
        return max(self.part_bytes, -(-least // _MIB) * _MIB)


def receive_part(
    read: Read, key: str, condition: Mapping[str, str], start: int, size_bytes: int, still: Callable[[], None]
) -> bytes:
    """That many bytes of an object, from `start` on, under `condition`.

    Raises:
        Failure: also if the response is shorter.
    """
    headers = {**condition, "Range": f"bytes={start}-{start + size_bytes - 1}"}
    data = read(key, headers=headers, still=still)
    if len(data) != size_bytes:
        raise Failure(500, "IncompleteBody", f"{len(data)} bytes instead of {size_bytes}")
    return data


def receive(
    read: Read,
    key: str,
    condition: Mapping[str, str],
    size_bytes: int,
    keep: Callable[[int, bytes], None],
    parts: Parts,
) -> str:
    """Download an object under `condition`, calling `keep(offset, bytes)` from several threads; return its sha256.

    Raises:
        Failure: also if the object changes during the download.
    """
    whole, wanted = hashlib.sha256(), Wanted()

    def fetch(start: int) -> bytes:
        length = min(parts.part_bytes, size_bytes - start)
        data = receive_part(read, key, condition, start, length, wanted.check)
        keep(start, data)
        return data

    starts = range(0, size_bytes, parts.part_bytes)
    for data in in_order((partial(fetch, start) for start in starts), parts.workers, wanted):
        whole.update(data)
    return whole.hexdigest()
