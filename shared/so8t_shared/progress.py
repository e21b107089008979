"""Callback for the progress and cancellation of long work."""

from __future__ import annotations

import time
from collections.abc import Callable

from so8t_shared.formatting import duration

Progress = Callable[[int, int, str], None]
"""Called with the steps done, the total, and the current activity; may raise to end the work."""


def no_progress(done: int, total: int, message: str) -> None:
    """Report nothing."""


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
