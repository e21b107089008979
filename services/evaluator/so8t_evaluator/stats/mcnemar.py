"""The exact McNemar test (McNemar, Psychometrika 12, 1947): a binomial test on the discordant pairs."""

from __future__ import annotations

from scipy.stats import binomtest


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided p that A and B are equally often right, given how often just one of them was.

    Without a discordant pair nothing speaks against equality: 1.0.
    """
    discordant = only_a + only_b
    return 1.0 if discordant == 0 else float(binomtest(only_b, discordant, 0.5).pvalue)
