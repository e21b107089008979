"""Wilson's score interval for a proportion (Wilson, JASA 22, 1927), from statsmodels."""

from __future__ import annotations

from statsmodels.stats.proportion import proportion_confint

from so8t_shared.results.interval import Interval


def wilson(successes: int, n: int, confidence: float) -> Interval:
    """Return the proportion with its interval at the given level; n must be positive."""
    if n <= 0:
        raise ValueError("a proportion is undefined for n = 0")
    low, high = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    return Interval(
        value=successes / n,
        low=float(low) if successes else 0.0,  # exact; rounding in the formula may miss the proportion
        high=float(high) if successes < n else 1.0,
    )
