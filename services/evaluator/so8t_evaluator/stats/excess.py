"""Whether a share lies above a bound: the exact binomial test, for few rows and for rows in groups.

With groups, it counts the effective number of rows (Korn & Graubard, Survey Methodology 24, 1998); the incomplete beta
function takes numbers that are not whole (Clopper & Pearson, Biometrika 26, 1934).
"""

from __future__ import annotations

from scipy.special import betainc


def excess_p(share: float, effective_rows: float, bound: float) -> float:
    """Return the probability of at least this share if the true one is at the bound."""
    if share <= bound:
        return 1.0
    hits = share * effective_rows
    return float(betainc(hits, effective_rows - hits + 1, bound))
