"""Read an object's bytes, and tell an unreachable server from one that has lost the bytes.

Bytes count as lost only if the server repeatedly responds with an internal error or with fewer bytes than announced.
No response, or a request to slow down, says nothing about the bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from so8t_shared.store.failures import Failure
from so8t_shared.store.retrying import Limits, Outage, persist

_SPOILT_S = 20.0
_SPOILT_TRIES = 3


class _Spoilt:
    """Counts consecutive spoilt responses, and for how long they last."""

    def __init__(self) -> None:
        self._tries = 0
        self._since = 0.0

    def note(self, failure: Failure) -> None:
        """Count a failure; any other kind resets the count."""
        if not failure.spoilt:
            self._tries = 0
            return
        if self._tries == 0:
            self._since = time.monotonic()
        self._tries += 1

    @property
    def often(self) -> bool:
        """Whether there are enough for a verdict when the time limit is reached."""
        return self._tries >= _SPOILT_TRIES

    @property
    def long(self) -> bool:
        """Whether they have lasted long enough for an early verdict."""
        return self.often and time.monotonic() - self._since >= _SPOILT_S


def persist_reading(get: Callable[[], bytes], look: Callable[[], object], limits: Limits, outage: Outage) -> bytes:
    """The result of `get()`, retried after transient failures; `look()` requests the object without its bytes.

    Raises:
        Failure: as `persist`; "unreadable" if the server works and fails only on these bytes.
    """
    spoilt = _Spoilt()

    def attempt(_: int) -> bytes:
        try:
            return get()
        except Failure as failure:
            spoilt.note(failure)
            if spoilt.long:
                raise Failure(failure.status, "unreadable") from failure
            raise

    try:
        return persist(attempt, limits, outage)
    except Failure as failure:
        if not spoilt.often:
            raise
        look()  # a server that fails on everything has not lost this object
        raise Failure(failure.status, "unreadable") from failure
