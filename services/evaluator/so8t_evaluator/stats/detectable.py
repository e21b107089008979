"""Power of the exact McNemar test: the smallest detectable difference, and the rows needed for a difference.

A share d of n rows is right on one side only. Under a true difference D (B minus A), B gets such a row
right with probability (1 + D / d) / 2. The number of these rows is binomial (n, d), and given that
number, the rows that B gets right are binomial too. The power is a sum over both: exact, without the
normal approximation, which is too optimistic for few rows.
"""

from __future__ import annotations

from math import ceil, log2, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, norm

POWER = 0.8
_TAIL = 1e-10
"""Probability omitted from the sum at either end of the number of one-sided rows."""
_EXACT_ROWS = 20_000
"""Above this, the number of rows needed is approximated."""


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


def one_sided_rows_needed(alpha: float) -> int:
    """Return the rows needed on one side, with none on the other, for a p below alpha: 2 / 2^k < alpha."""
    rows = max(1, ceil(1 - log2(alpha)))
    return rows if 2.0 ** (1 - rows) < alpha else rows + 1


def rows_to_find(difference: float, share: float, alpha: float) -> int | None:
    """Return about how many rows a test needs to find this difference with 80% power; None for a difference of 0.

    Exact power fluctuates slightly from row to row, so a few rows less may also do. For very many rows
    the approximation is as good (half a percent off), while the exact sum would take minutes.
    """
    if difference == 0:
        return None
    low, high = 0, _rows_by_approximation(abs(difference), share, alpha)
    if high > _EXACT_ROWS:
        return high
    while power(high, share, abs(difference), alpha) < POWER:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, share, abs(difference), alpha) >= POWER else (middle, high)
    return high


def _rows_by_approximation(difference: float, share: float, alpha: float) -> int:
    """Connor, Biometrics 43, 1987: n = (z_{1-alpha/2} sqrt(d) + z_power sqrt(d - D^2))^2 / D^2."""
    z_level, z_power = (float(norm.ppf(level)) for level in (1 - alpha / 2, POWER))
    return ceil((z_level * sqrt(share) + z_power * sqrt(max(share - difference**2, 0.0))) ** 2 / difference**2)
