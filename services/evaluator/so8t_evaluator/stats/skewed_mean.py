"""The mean of independent values that may be skewed, with an interval whose ends each keep their level.

Student's interval errs to one side where few values are far from the rest: if those are losses, its lower end is too
high. So Student's quantiles are corrected for the skewness by a monotone cubic transformation (Hall, Journal of the
Royal Statistical Society B 54, 1992, equation 2.1): with g the skewness of n values,

    T' = T + g / (6 sqrt(n)) + g / (3 sqrt(n)) T^2 + g^2 / (27 n) T^3

is close to symmetric, and is inverted in closed form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from so8t_shared.results.interval import Interval


def skewed_mean_interval(values: NDArray[np.float64], confidence: float) -> Interval:
    """Return the mean of two or more values with its interval; values that are all alike leave no width.

    Raises:
        ValueError: there are fewer than two values.
    """
    n = len(values)
    if n < 2:
        raise ValueError("an interval of a mean needs two values")
    value, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    counts = {"rows": n, "groups": n}
    if not deviation:
        return Interval(value=value, low=value, high=value, **counts)
    z = float(stdtrit(n - 1, (1 + confidence) / 2))
    skewness = float(np.mean((values - value) ** 3)) / float(np.var(values)) ** 1.5
    low, high = (value - deviation / n**0.5 * _untransformed(end, skewness, n) for end in (z, -z))
    return Interval(value=value, low=low, high=high, **counts)


def _untransformed(end: float, skewness: float, n: int) -> float:
    """Return the T whose T' is `end`."""
    k = skewness / n**0.5
    if abs(k) < 1e-9:
        return end
    return float((np.cbrt(1 + k * (end - k / 6)) - 1) * 3 / k)
