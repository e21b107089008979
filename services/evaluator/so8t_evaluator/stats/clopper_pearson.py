"""The one-sided upper bound of a share: Clopper & Pearson (Biometrika 26, 1934), which never covers too rarely.

With groups, it counts the effective number of rows, smaller where few groups tell how alike their rows are (Korn &
Graubard, Survey Methodology 24, 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from so8t_evaluator.stats.groups import Groups, grouped


def upper_bound(hit: NDArray[np.bool_], groups: NDArray[np.integer], confidence: float) -> float:
    """Return the largest share of hits that is not excluded at `confidence`; 1 for too few groups.

    `hit` and `groups` have a value per row.

    Raises:
        ValueError: there is no row.
    """
    rows = grouped(groups)
    if rows.alone:
        return _bound(float(hit.mean()), rows.rows, confidence)
    if rows.too_few:
        return 1.0
    # a hit in each of some groups shows that they are not all alike; it must not do better than no hit at all
    return max(_of_groups(each, rows, confidence) for each in (hit, np.zeros_like(hit)))


def _of_groups(hit: NDArray[np.bool_], rows: Groups, confidence: float) -> float:
    wider = (rows.quantile(hit, confidence) / float(ndtri((1 + confidence) / 2))) ** 2
    return _bound(float(hit.mean()), rows.rows / rows.design_effect(hit) / wider, confidence)


def _bound(share: float, effective: float, confidence: float) -> float:
    hits = share * effective
    return 1.0 if hits >= effective else float(betaincinv(hits + 1, effective - hits, confidence))
