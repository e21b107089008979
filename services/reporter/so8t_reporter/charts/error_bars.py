"""Error bars as matplotlib takes them."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_shared.results.interval import Interval


def arms(intervals: Sequence[Interval]) -> tuple[list[float], list[float]]:
    """Lengths below and above each estimate, for `Axes.errorbar`.

    An end that rounding put on the wrong side of its estimate (Wilson's for 0 of n, say) has the
    length 0: matplotlib refuses a negative one.
    """
    below = [max(0.0, interval.value - interval.low) for interval in intervals]
    above = [max(0.0, interval.high - interval.value) for interval in intervals]
    return below, above
