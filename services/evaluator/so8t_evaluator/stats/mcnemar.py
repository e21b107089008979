"""The exact McNemar test (McNemar, Psychometrika 12, 1947): a binomial test on the discordant pairs."""

from __future__ import annotations

from scipy.stats import binomtest


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided p that A and B are right equally often, from the counts of rows that only one got right.

    Without discordant pairs there is no evidence against equality: 1.0.
    """
    discordant = only_a + only_b
    return 1.0 if discordant == 0 else float(binomtest(only_b, discordant, 0.5).pvalue)
