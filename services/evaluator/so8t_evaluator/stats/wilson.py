"""Wilson's score interval for a proportion (Wilson, JASA 22, 1927)."""

from __future__ import annotations

from math import sqrt

from scipy.special import ndtri

from so8t_shared.results.interval import Interval


def wilson(successes: int, n: int, confidence: float) -> Interval:
    """Return the proportion with its interval at the given level; n must be positive."""
    if n <= 0:
        raise ValueError("a proportion is undefined for n = 0")
    low, high = score_ends(successes / n, n, float(ndtri((1 + confidence) / 2)))
    return Interval(value=successes / n, low=low, high=high)


def score_ends(share: float, n: float, z: float) -> tuple[float, float]:
    """Return both ends of the interval at quantile `z`; an effective `n` need not be a whole number."""
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (0.0 if share == 0 else max(0.0, center - half)), (1.0 if share == 1 else min(1.0, center + half))
