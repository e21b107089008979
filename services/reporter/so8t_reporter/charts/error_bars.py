"""Error bars in the form that matplotlib expects."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_shared.results.interval import Interval


def arms(intervals: Sequence[Interval]) -> tuple[list[float], list[float]]:
    """Return the lengths below and above each estimate, for `Axes.errorbar`.

    An end that rounding put on the wrong side of its estimate (for example Wilson's for 0 of n) gets
    length 0, because matplotlib rejects negative lengths.
    """
    below = [max(0.0, interval.value - interval.low) for interval in intervals]
    above = [max(0.0, interval.high - interval.value) for interval in intervals]
    return below, above
