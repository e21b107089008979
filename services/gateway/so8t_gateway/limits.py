"""How often, and how many at once, clients may ask."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from so8t_shared.token_bucket import TokenBucket

_BURST = 6
"""A bucket holds the share of a minute's requests that may come at once: one sixth."""


def bucket_of(per_minute: float, clock: Callable[[], float] = monotonic) -> TokenBucket:
    """What lets a client's requests through at a rate."""
    return TokenBucket(per_minute / 60, per_minute / _BURST, clock)


class Inside:
    """Counts those who are inside, up to a limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0

    def enter(self) -> bool:
        """Let one in; False if it is full."""
        if self.count >= self._most:
            return False
        self.count += 1
        return True

    def leave(self) -> None:
        """Let one out."""
        self.count -= 1
