"""How often, and how many at once, clients may ask."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

_BURST = 6
"""A bucket holds the share of a minute's requests that may come at once: one sixth."""


class TokenBucket:
    """Lets requests through at a rate, and a few at once after a pause."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, per_minute / _BURST)
        self._clock = clock
        self._left = self._most
        self._at = clock()

    def take(self) -> float:
        """Take one; return 0, or the seconds until there is one again if there is none."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0


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
