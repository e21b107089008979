"""live.json of a stage at work: figures for those who watch, written now and then and never at the work's expense."""

from __future__ import annotations

import time
from collections.abc import Callable

from so8t_shared.errors import ServerError, StorageError
from so8t_shared.results.live import Live
from so8t_shared.store.base import ArtifactStore

EVERY_S = 5.0
AFTER_FAILURE_S = 60.0
"""Pause after a write that failed: each may have waited for a server."""


class LiveFile:
    """Writes through `aside`, a store of little patience; a failed write is skipped."""

    def __init__(self, aside: ArtifactStore, key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._aside = aside
        self._key = key
        self._clock = clock
        self._next = clock()

    def show(self, live: Callable[[], Live]) -> None:
        """Write what `live` returns, unless something was written a moment ago; cheap enough for every step."""
        if self._clock() < self._next:
            return
        pause_s = EVERY_S
        try:
            self._aside.put_bytes(self._key, live().to_bytes())
        except (ServerError, StorageError):
            pause_s = AFTER_FAILURE_S
        self._next = self._clock() + pause_s
