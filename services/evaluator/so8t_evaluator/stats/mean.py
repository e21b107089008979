"""The mean of a bounded figure, such as a cost, with an interval that allows for groups and for rare large values.

A t interval over the groups' sums, after half a squared quantile of groups was added at either bound: what Agresti &
Coull (The American Statistician 52, 1998) do for a share. So values that are all alike still leave a width.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.stats.groups import grouped
from so8t_shared.results.interval import Interval


def mean_interval(
    values: NDArray[np.float64], groups: NDArray[np.integer], low_bound: float, high_bound: float, confidence: float
) -> Interval:
    """Return the mean of `values`, all within the bounds; too few groups, or one row, give the bounds.

    Raises:
        ValueError: there is no row.
    """
    rows = grouped(groups)
    counts = {"rows": rows.rows, "groups": rows.count}
    value, n = float(np.mean(values)), rows.rows
    if rows.too_few or n == 1:
        return Interval(value=value, low=low_bound, high=high_bound, too_few_groups=True, **counts)
    far = (values > (value + high_bound) / 2, values < (value + low_bound) / 2)  # rare, and most of the variance
    effect = max(rows.design_effect(v) for v in (values, *far) if v.any() or v is values)
    z = rows.quantile(values, confidence)
    effective, added = n / effect, z**2 / 2
    total = effective + 2 * added
    center = (effective * value + added * (low_bound + high_bound)) / total
    spread = effective * (float(np.var(values)) + (value - center) ** 2)
    spread += added * ((low_bound - center) ** 2 + (high_bound - center) ** 2)
    half = z * sqrt(spread) / total
    low, high = max(low_bound, min(value, center - half)), min(high_bound, max(value, center + half))
    return Interval(value=value, low=low, high=high, design_effect=effect, **counts)
