"""Tango's score test and interval for the difference of two paired proportions.

T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17, 1998, 891-908. In n pairs, only B is right in
b = `only_b` and only A in c = `only_a`. Under a true difference D (B minus A), the maximum-likelihood
estimate of the share of pairs that only A gets right is

    q = (sqrt(v^2 - 4 u w) - v) / (2 u),  u = 2 n,  v = -b - c + (2 n - b + c) D,  w = -c D (1 - D)

and the score statistic (b - c - n D) / sqrt(n (2 q + D (1 - D))) is standard normal. The interval
holds the differences that the two-sided test does not reject. Unlike the bootstrap interval, it has a
width even if no row was lost, so few rows never prove much.
"""

from __future__ import annotations

from math import sqrt

from scipy.optimize import brentq
from scipy.stats import norm

from so8t_shared.results.interval import Interval

_BESIDE = 1e-12
"""A small offset from the estimate, where numerator and denominator can both be 0."""


def score_interval(only_a: int, only_b: int, n: int, confidence: float) -> Interval:
    """Return the difference of the proportions, B minus A, with its score interval; n must be positive."""
    if n <= 0:
        raise ValueError("a difference of proportions is undefined for n = 0")
    low, high = score_ends(only_a, only_b, n, _quantile(confidence))
    return Interval(value=(only_b - only_a) / n, low=low, high=high)


def score_ends(only_a: float, only_b: float, n: float, z: float) -> tuple[float, float]:
    """Return both ends of the interval at quantile `z`; effective counts need not be whole numbers."""
    return _lower_end(only_a, only_b, n, z), -_lower_end(only_b, only_a, n, z)


def _lower_end(only_a: float, only_b: float, n: float, z: float) -> float:
    def surplus(difference: float) -> float:
        distance, spread = _distance_and_spread(only_a, only_b, n, difference)
        return distance - z * spread

    estimate = (only_b - only_a) / n
    if estimate - _BESIDE <= -1:
        return -1.0
    return float(brentq(surplus, -1.0, estimate - _BESIDE, xtol=1e-12))


def _distance_and_spread(only_a: float, only_b: float, n: float, difference: float) -> tuple[float, float]:
    """Return the numerator and denominator of the statistic."""
    u = 2 * n
    v = -only_a - only_b + (2 * n - only_b + only_a) * difference
    w = -only_a * difference * (1 - difference)
    q = (sqrt(max(v * v - 4 * u * w, 0.0)) - v) / (2 * u)
    variance = n * (2 * q + difference * (1 - difference))
    return only_b - only_a - n * difference, sqrt(max(variance, 0.0))


def _quantile(confidence: float) -> float:
    return float(norm.ppf((1 + confidence) / 2))
