"""The error of an estimate whose variance is a sum of parts, each estimated with its own degrees of freedom.

The error is taken as sum of s_k T_k, with s_k the part's standard error and T_k independent variables of Student's t
(Fisher, Annals of Eugenics 6, 1935). It is wider than Satterthwaite's single t with matched degrees of freedom, which
trusts a part that a few seeds happen to show small: with 2 seeds, that alarms in up to 14% (bench/studies.py). Its
frequency of errors stays below the nominal one (Robinson, Annals of Statistics 4, 1976).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, stdtr, stdtrit

Variance = tuple[float, float]
"""A part of the variance, and its degrees of freedom."""

_NODES = {0: 1, 1: 121, 2: 61}
"""Points of each smaller part, by their number, over which the tail of the largest is averaged."""
_FAR = 6.0
"""Standard normal quantile of the outermost points."""


def tail(distance: float, parts: Sequence[Variance]) -> float:
    """Return the probability of an error of at least `distance` to either side; at most three parts."""
    return _tail(distance, *_prepared(parts))


def half_width(parts: Sequence[Variance], confidence: float) -> float:
    """Return the distance that the error exceeds with probability 1 - confidence."""
    prepared = _prepared(parts)
    if prepared[0] is None:
        return 0.0
    far = prepared[0][0]
    while _tail(far, *prepared) > 1 - confidence:
        far *= 2
    return float(brentq(lambda x: _tail(x, *prepared) - (1 - confidence), 0.0, far, xtol=1e-7))


Points = NDArray[np.float64]
Prepared = tuple[tuple[float, float] | None, Points, Points]
"""The largest part's standard error and degrees of freedom; what the others may add to the error, and how likely."""


def _prepared(parts: Sequence[Variance]) -> Prepared:
    errors = sorted(((sqrt(variance), df) for variance, df in parts if variance > 0), reverse=True)
    shifts, weights = np.zeros(1), np.ones(1)
    if not errors:
        return None, shifts, weights
    for error, df in errors[1:]:
        quantiles, chances = _points(df, _NODES[len(errors) - 1])
        shifts = (shifts[:, None] + error * quantiles).ravel()
        weights = (weights[:, None] * chances).ravel()
    return errors[0], shifts, weights


@lru_cache(256)
def _points(df: float, count: int) -> tuple[Points, Points]:
    """Return points of Student's t and their weights: the trapezoidal rule at equally distant normal quantiles."""
    z = np.linspace(-_FAR, _FAR, count)
    half = stdtrit(df, ndtr(z[: count // 2]))
    weights = np.exp(-(z**2) / 2)
    return np.concatenate([half, [0.0], -half[::-1]]), weights / weights.sum()


def _tail(distance: float, largest: tuple[float, float] | None, shifts: Points, weights: Points) -> float:
    if largest is None:
        return float(distance == 0)
    error, df = largest
    beyond = stdtr(df, (-abs(distance) - shifts) / error) + stdtr(df, (-abs(distance) + shifts) / error)
    return float(min(1.0, weights @ beyond))
