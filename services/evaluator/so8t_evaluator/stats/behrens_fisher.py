"""The error of an estimate whose variance is a sum of parts, each estimated with its own degrees of freedom.

The error is taken as sum of s_k T_k, with s_k the part's standard error and T_k independent variables of Student's t
(Fisher, Annals of Eugenics 6, 1935). It is wider than Satterthwaite's single t with matched degrees of freedom, which
trusts a part that a few seeds happen to show small: with 2 seeds, that alarms in up to 14% (bench/studies.py). Its
frequency of errors stays below the nominal one (Robinson, Annals of Statistics 4, 1976).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

Variance = tuple[float, float]
"""A part of the variance, and its degrees of freedom."""

_NODES = {0: 1, 1: 400, 2: 100}
"""Quantiles of each smaller part, by their number, over which the tail of the largest is averaged."""


def tail(distance: float, parts: Sequence[Variance]) -> float:
    """Return the probability of an error of at least `distance` to either side; at most three parts."""
    return _tail(distance, *_prepared(parts))


def half_width(parts: Sequence[Variance], confidence: float) -> float:
    """Return the distance that the error exceeds with probability 1 - confidence."""
    largest, shifts = _prepared(parts)
    if largest is None:
        return 0.0
    far = largest[0]
    while _tail(far, largest, shifts) > 1 - confidence:
        far *= 2
    return float(brentq(lambda x: _tail(x, largest, shifts) - (1 - confidence), 0.0, far, xtol=1e-9))


def _prepared(parts: Sequence[Variance]) -> tuple[tuple[float, float] | None, NDArray[np.float64]]:
    """Return the largest part's standard error and degrees of freedom, and what the others may add to the error."""
    errors = sorted(((sqrt(variance), df) for variance, df in parts if variance > 0), reverse=True)
    shifts = np.zeros(1)
    if not errors:
        return None, shifts
    nodes = _NODES[len(errors) - 1]
    for error, df in errors[1:]:
        quantiles = error * stdtrit(df, (np.arange(nodes) + 0.5) / nodes)
        shifts = (shifts[:, None] + quantiles).ravel()
    return errors[0], shifts


def _tail(distance: float, largest: tuple[float, float] | None, shifts: NDArray[np.float64]) -> float:
    if largest is None:
        return float(distance == 0)
    error, df = largest
    beyond = stdtr(df, (-abs(distance) - shifts) / error) + stdtr(df, (-abs(distance) + shifts) / error)
    return float(min(1.0, beyond.mean()))
