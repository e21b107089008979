"""The smallest difference of accuracy that a paired test of this size would have found.

For McNemar's test with n pairs of which a share d disagrees, power 1 - beta at two-sided level
alpha needs n = (z_{1-alpha/2} sqrt(d) + z_{1-beta} sqrt(d - delta^2))^2 / delta^2
(Connor, Biometrics 43, 1987). Solved for delta.
"""

from __future__ import annotations

from math import sqrt

from scipy.optimize import brentq
from scipy.stats import norm

POWER = 0.8


def minimum_detectable_effect(n: int, discordant: int, confidence: float) -> float | None:
    """Smallest |accuracy difference| found with 80 % power; None if no difference up to d would be."""
    if n <= 0 or discordant <= 0:
        return None
    share = discordant / n
    z_level, z_power = norm.ppf(1 - (1 - confidence) / 2), norm.ppf(POWER)

    def surplus(delta: float) -> float:
        needed = (z_level * sqrt(share) + z_power * sqrt(max(share - delta**2, 0.0))) ** 2 / delta**2
        return float(n - needed)

    if surplus(share) < 0:
        return None
    return float(brentq(surplus, 1e-9, share))
