"""Means of bounded figures, against the truth of simulated costs."""

from __future__ import annotations

import numpy as np
import pytest
from tests.clustered_rows import draw_values, group_codes

from so8t_evaluator.stats.mean import mean_interval

COSTS = np.array([0.0, 1.0, 2.0, 10.0])


@pytest.mark.parametrize(("rows", "per_group"), [(20, 1), (100, 1), (60, 3), (100, 10), (400, 10)])
@pytest.mark.parametrize("correlation", [0, 0.3, 0.6])
@pytest.mark.parametrize("chances", [(0.8, 0.1, 0.05, 0.05), (0.4, 0.3, 0.2, 0.1)])
def test_covers_the_truth(rows: int, per_group: int, correlation: float, chances: tuple[float, ...]) -> None:
    """At least 93.5%, less Monte Carlo error, of the 95% intervals hold the true cost, though large costs are rare."""
    groups, rng, sets, held = group_codes(rows, per_group), np.random.default_rng(13), 500, 0
    truth = float(COSTS @ chances)
    for values in draw_values(chances, groups, correlation, "copied", sets, rng):
        found = mean_interval(COSTS[values], groups, 0, 10, 0.95)
        held += found.low <= truth <= found.high
    assert held / sets > 0.935 - 0.024  # 2.2 standard errors


def test_equal_values_leave_a_width() -> None:
    """Nothing but 0 leaves an upper bound of about that of 0 of n, and many rows prove more."""
    few, many = (mean_interval(np.zeros(n), np.arange(n), 0, 10, 0.95) for n in (30, 3000))
    assert (few.value, few.low) == (0, 0)
    assert 10 * 3 / 30 < few.high < 10 * 6 / 30
    assert few.high > many.high > 0


def test_too_few() -> None:
    """One row, or five groups of ten: the bounds."""
    for values, groups in ((np.ones(1), np.zeros(1, dtype=np.int64)), (np.ones(50), group_codes(50, 10))):
        found = mean_interval(values, groups, -10, 10, 0.95)
        assert (found.value, found.low, found.high, found.too_few_groups) == (1, -10, 10, True)
