"""A store that is only read, and not too often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from so8t_shared.errors import StorageError
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.forwarding import ForwardingStore
from so8t_shared.token_bucket import TokenBucket

READS_PER_S = 6.0
"""Objects of a bucket that are read per second, by all pages together."""
LISTS_PER_S = 1.0
"""Listings of a bucket per second, by all pages together."""

_READS = {"get_bytes", "read_part", "get_file", "checksum", "read_versioned", "stat"}
_LISTS = {"list", "listing", "folders"}
_FREE = {"local_path"}

T = TypeVar("T")


class ReadOnlyStore(ForwardingStore):
    """Another store: reads wait for the budget if it is a bucket, and all else is refused before it is sent."""

    def __init__(self, inner: ArtifactStore) -> None:
        super().__init__(inner)
        self._budgets = {
            **dict.fromkeys(_READS, TokenBucket(READS_PER_S, READS_PER_S)),
            **dict.fromkeys(_LISTS, TokenBucket(LISTS_PER_S, LISTS_PER_S)),
        }

    def _call(self, operation: str, key: str, work: Callable[[ArtifactStore], T]) -> T:
        budget = self._budgets.get(operation)
        if budget is None and operation not in _FREE:
            raise StorageError("The dashboard never writes.", where=key, remedy="report this as a bug")
        if budget and self.remote and (wait_s := budget.book()):
            time.sleep(wait_s)
        return work(self._inner)
