"""Ends of Wilson's score interval for a share (JASA 22, 1927); light enough for a running count."""

from __future__ import annotations

from math import sqrt


def score_ends(share: float, n: float, z: float) -> tuple[float, float]:
    """Return both ends of the interval at quantile `z`; an effective `n` need not be a whole number."""
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (0.0 if share == 0 else max(0.0, center - half)), (1.0 if share == 1 else min(1.0, center + half))
