"""A rate, with a few requests that may come at once after a pause."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


class TokenBucket:
    """Gets `per_s` tokens a second and holds `most`, full at the start; thread-safe."""

    def __init__(self, per_s: float, most: float, clock: Callable[[], float] = monotonic) -> None:
        self.most = max(1.0, most)
        """Tokens when it is full."""
        self._per_s = per_s
        self._clock = clock
        self._left = self.most
        self._at = clock()
        self._lock = threading.Lock()

    def take(self, count: int = 1) -> float:
        """Take so many if they are there; return 0, or the seconds until they are."""
        with self._lock:
            self._fill()
            if self._left < count:
                return (count - self._left) / self._per_s
            self._left -= count
            return 0.0

    def wait_s(self, count: int) -> float:
        """Seconds until so many are there, at most `most`."""
        with self._lock:
            self._fill()
            return max(0.0, (count - self._left) / self._per_s)

    def book(self) -> float:
        """Take one in any case; return the seconds to wait before it may be used."""
        with self._lock:
            self._fill()
            self._left -= 1
            return max(0.0, -self._left / self._per_s)

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self.most, self._left + (now - self._at) * self._per_s)
        self._at = now
