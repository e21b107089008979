"""The share of rows with some property, with an interval that allows for groups.

Where every row stands alone, this is Wilson's score interval. Otherwise it is Wilson's with the effective number of
rows and a quantile of Student's t (Korn & Graubard, Survey Methodology 24, 1998; Rao & Scott, Biometrics 48, 1992).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.stats.anytime import Pool, anytime_share
from so8t_evaluator.stats.groups import grouped
from so8t_evaluator.stats.score import score_ends
from so8t_evaluator.stats.wilson import wilson
from so8t_shared.results.interval import Interval


def share_interval(
    hit: NDArray[np.bool_], groups: NDArray[np.integer], confidence: float, pool: Pool | None = None
) -> Interval:
    """Return the share of rows that are `hit`; 0 of n has an upper bound, and too few groups give 0 to 1.

    With a `pool`, the interval holds wherever the asking ends, and `groups` are places in the order of asking.

    Raises:
        ValueError: there is no row.
    """
    if pool:
        return anytime_share(hit, groups, pool, confidence)
    rows = grouped(groups)
    counts = {"rows": rows.rows, "groups": rows.count}
    value = float(np.mean(hit))
    if rows.alone:
        return wilson(int(hit.sum()), rows.rows, confidence).model_copy(update={**counts, "design_effect": 1.0})
    if rows.too_few:
        return Interval(value=value, low=0.0, high=1.0, too_few_groups=True, **counts)
    effect = rows.design_effect(hit)
    low, high = score_ends(value, rows.rows / effect, rows.quantile(hit, confidence))
    # a hit in each of some groups shows that they are not all alike; it must not do better than no hit at all
    none = np.zeros_like(hit)
    _, best = score_ends(0.0, rows.rows / rows.design_effect(none), rows.quantile(none, confidence))
    low, high = min(low, 1 - best), max(high, best)
    return Interval(value=value, low=low, high=high, design_effect=effect, **counts)
