"""Wilson's score interval for a proportion (Wilson, JASA 22, 1927)."""

from __future__ import annotations

from scipy.special import ndtri

from so8t_evaluator.stats.score import score_ends
from so8t_shared.results.interval import Interval


def wilson(successes: int, n: int, confidence: float) -> Interval:
    """Return the proportion with its interval at the given level; n must be positive."""
    if n <= 0:
        raise ValueError("a proportion is undefined for n = 0")
    low, high = score_ends(successes / n, n, float(ndtri((1 + confidence) / 2)))
    return Interval(value=successes / n, low=low, high=high)
