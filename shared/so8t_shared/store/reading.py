"""Reading an object's bytes where the server may be away, or may have lost them: the two are told apart.

Only the server's own word counts for the second: it answers, but with an internal error or with fewer bytes than
it announced, again and again. No answer, and a wish for fewer requests, say nothing about the bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from so8t_shared.store.failures import Failure
from so8t_shared.store.retrying import Limits, Outage, persist

_SPOILT_S = 20.0
_SPOILT_TRIES = 3


class _Spoilt:
    """Spoilt answers in an unbroken row: how many, and for how long."""

    def __init__(self) -> None:
        self._tries = 0
        self._since = 0.0

    def note(self, failure: Failure) -> None:
        """One more failure; any other kind begins the row anew."""
        if not failure.spoilt:
            self._tries = 0
            return
        if self._tries == 0:
            self._since = time.monotonic()
        self._tries += 1

    @property
    def often(self) -> bool:
        """Often enough for a verdict where the patience ends."""
        return self._tries >= _SPOILT_TRIES

    @property
    def long(self) -> bool:
        """Long enough for a verdict before that."""
        return self.often and time.monotonic() - self._since >= _SPOILT_S


def persist_reading(get: Callable[[], bytes], look: Callable[[], object], limits: Limits, outage: Outage) -> bytes:
    """What `get()` gives, tried again after failures that pass; `look()` asks for the same object without its bytes.

    Raises:
        Failure: as `persist`; "unreadable" where the server shows that it is there, and fails at these bytes alone.
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
        look()  # a server that fails at everything has not lost this object
        raise Failure(failure.status, "unreadable") from failure
