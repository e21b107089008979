"""An owner's cache, divided by what its entries are about, so that a search reads nothing about anything else.

A shelf is named by the digest of what sharing depends on, such as a model and the engine that ran it. Its entries are
below cache/<namespace>/<shelf>/<owner>/, so one listing finds all owners' entries about the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.store.base import ArtifactStore, check_key

_NAME_CHARACTERS = 32
"""Of a digest: paths stay short, and no two shelves are alike."""


@dataclass
class Shelves:
    """The caches of one owner, for one thread; each is opened when it is first asked for."""

    store: ArtifactStore
    namespace: str
    owner: str
    clock: Callable[[], float] = time.monotonic
    _caches: dict[str, SegmentCache] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        """Refuse a namespace that leads outside the store."""
        check_key(f"cache/{self.namespace}")

    def shelf(self, digest: str) -> Shelf:
        """The entries about what has this digest, in hex."""
        name = digest[:_NAME_CHARACTERS]
        if name not in self._caches:
            cache = SegmentCache(self.store, f"{self.namespace}/{name}", self.owner, clock=self.clock)
            self._caches[name] = self._stack.enter_context(cache)
        return Shelf(self, self._caches[name])

    def write_late(self) -> None:
        """Write what has waited long enough, on any shelf."""
        for cache in self._caches.values():
            cache.write_late()

    def close(self) -> None:
        """Write what is pending; raises as `SegmentCache.close`."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


@dataclass(frozen=True)
class Shelf:
    """One of the caches."""

    _shelves: Shelves
    _cache: SegmentCache

    def get(self, key: str) -> dict[str, Any] | None:
        """The object, or None."""
        return self._cache.get(key)

    def put(self, key: str, entry: dict[str, Any]) -> None:
        """Add or replace an object; it, and what waits on other shelves, is durable after the next write."""
        self._cache.put(key, entry)
        self._shelves.write_late()
