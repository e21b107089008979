"""Holm's step-down adjustment over a family of tests (Holm, Scand. J. Statist. 6, 1979)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values in the same order."""
    p, n = np.asarray(p_values, np.float64), len(p_values)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(n, 0, -1))
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(raised, 1.0)
    found: list[float] = adjusted.tolist()
    return found


def headline_then_holm(p_values: Sequence[float], headline: int) -> list[float]:
    """Return the adjusted p-values of a fixed sequence: the headline first, at the full level, then the rest by Holm.

    The rest is tested only if the headline is significant, so none of their p-values is below the headline's (Westfall
    & Krishen, J. Statistical Planning and Inference 99, 2001). The family-wise error stays at the level.
    """
    rest = iter(holm([p for index, p in enumerate(p_values) if index != headline]))
    first = p_values[headline]
    return [first if index == headline else max(first, next(rest)) for index in range(len(p_values))]
