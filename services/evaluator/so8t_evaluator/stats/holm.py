"""Holm's step-down adjustment over a family of tests (Holm, Scand. J. Statist. 6, 1979)."""

from __future__ import annotations

from collections.abc import Sequence

from statsmodels.stats.multitest import multipletests


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values in the same order."""
    return [float(p) for p in multipletests(list(p_values), method="holm")[1]] if p_values else []
