"""Callback for the progress and cancellation of long work."""

from __future__ import annotations

import time
from collections.abc import Callable

from so8t_shared.formatting import duration

Progress = Callable[[int, int, str], None]
"""Called with the steps done, the total, and the current activity; may raise to end the work."""


def no_progress(done: int, total: int, message: str) -> None:
    """Report nothing."""


class Parts:
    """Reports several works, one after the other, as one; `more` has the steps of those after the first."""

    def __init__(self, progress: Progress, *more: int) -> None:
        self._progress, self._more = progress, list(more)
        self._before = self._total = 0
        self._begun = False

    def next(self) -> Progress:
        """The progress of the next work, which begins now."""
        if self._begun:
            self._more.pop(0)
        self._before, self._total, self._begun = self._before + self._total, 0, True
        after = sum(self._more)

        def report(done: int, total: int, message: str) -> None:
            self._total = total
            self._progress(self._before + done, self._before + total + after, message)

        return report


_SETTLED_S = 2.0
"""Before that, no estimate is worth showing."""


def with_time_left(progress: Progress, clock: Callable[[], float] = time.monotonic) -> Progress:
    """The same progress; its message also names the time left, if the rest goes as the steps since the first did."""
    first: list[tuple[int, float]] = []

    def report(done: int, total: int, message: str) -> None:
        now = clock()
        if not first:
            first.append((done, now))
        steps, took = done - first[0][0], now - first[0][1]
        left = f", about {duration(took / steps * (total - done))} left" if steps > 0 and took >= _SETTLED_S else ""
        progress(done, total, message + (left if done < total else ""))

    return report
