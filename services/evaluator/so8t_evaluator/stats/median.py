"""The median with an interval that takes no distribution for granted.

Its ends are order statistics: the k-th smallest and largest value, k as large as the binomial distribution allows
(Conover, Practical Nonparametric Statistics, 1999, section 3.2). So it covers at least the stated confidence.
"""

from __future__ import annotations

from math import ceil, log2

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom


def median_interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float, float] | None:
    """Return median, low and high of independent values; None for fewer than `fewest_values`."""
    n = len(values)
    if n < fewest_values(confidence):
        return None
    ordered = np.sort(values)
    outside = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    if binom.cdf(outside, n, 0.5) > (1 - confidence) / 2:
        outside -= 1
    return float(np.median(ordered)), float(ordered[outside]), float(ordered[n - 1 - outside])


def fewest_values(confidence: float) -> int:
    """Return how many values an interval takes: even the smallest and the largest may miss the median by chance."""
    return ceil(1 - log2(1 - confidence))
