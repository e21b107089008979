"""The share of rows with some property, with an interval that allows for groups.

Where every row stands alone, this is Wilson's score interval. Otherwise it is Wilson's with the effective number of
rows and a quantile of Student's t (Korn & Graubard, Survey Methodology 24, 1998; Rao & Scott, Biometrics 48, 1992).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from so8t_evaluator.stats.groups import Groups, grouped
from so8t_evaluator.stats.wilson import wilson
from so8t_shared.results.interval import Interval


def share_interval(hit: NDArray[np.bool_], groups: NDArray[np.integer], confidence: float) -> Interval:
    """Return the share of rows that are `hit`; 0 of n has an upper bound, and too few groups give 0 to 1.

    Raises:
        ValueError: there is no row.
    """
    rows = grouped(groups)
    counts = {"rows": rows.rows, "groups": rows.count}
    value = float(np.mean(hit))
    if rows.alone:
        return wilson(int(hit.sum()), rows.rows, confidence).model_copy(update={**counts, "design_effect": 1.0})
    if rows.too_few:
        return Interval(value=value, low=0.0, high=1.0, too_few_groups=True, **counts)
    effect = _design_effect(hit, rows, value)
    n, z = rows.rows / effect, float(t.ppf((1 + confidence) / 2, rows.count - 1))
    center = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(value * (1 - value) / n + z**2 / (4 * n**2))
    low, high = max(0.0, min(value, center - half)), min(1.0, max(value, center + half))
    return Interval(value=value, low=low, high=high, design_effect=effect, **counts)


def _design_effect(hit: NDArray[np.bool_], rows: Groups, value: float) -> float:
    """Return at least 1, and the largest possible effect if all rows or none are hit."""
    if value in (0, 1):
        return rows.largest_design_effect
    return max(1.0, rows.variance_of_mean(hit) / (value * (1 - value) / rows.rows))
