"""Power of the exact McNemar test, and the smallest difference that it finds.

A share d of n rows is right on one side only. Under a true difference D (B minus A), B gets such a row
right with probability (1 + D / d) / 2. The number of these rows is binomial (n, d), and given that
number, the rows that B gets right are binomial too. The power is a sum over both: exact, without the
normal approximation, which is too optimistic for few rows.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

POWER = 0.8
_TAIL = 1e-10
"""Probability omitted from the sum at either end of the number of one-sided rows."""


def power(n: int, share: float, difference: float, alpha: float) -> float:
    """Return the probability that p is below alpha; `share` of the rows is one-sided, |difference| at most `share`."""
    discordant = np.arange(int(binom.ppf(_TAIL, n, share)), int(binom.isf(_TAIL, n, share)) + 1)
    few = binom.ppf(alpha / 2, discordant, 0.5) - 1  # the most rows on the losing side that still give significance
    to_b = min(1.0, (1 + difference / share) / 2)
    found = binom.cdf(few, discordant, to_b) + binom.sf(discordant - few - 1, discordant, to_b)
    return float((binom.pmf(discordant, n, share) * found).sum())


def minimum_detectable_effect(n: int, discordant: float, alpha: float) -> float | None:
    """Return the smallest |accuracy difference| found with 80% power at this share of one-sided rows, if any."""
    if n <= 0 or discordant <= 0:
        return None
    share = discordant / n
    if power(n, share, share, alpha) < POWER:
        return None
    return float(brentq(lambda difference: power(n, share, difference, alpha) - POWER, 0.0, share, xtol=1e-6))
