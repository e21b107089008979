"""Shares of grouped rows, against Wilson's interval and against the truth of simulated rows."""

from __future__ import annotations

import numpy as np
import pytest
from tests.clustered_rows import UNEQUAL, Model, draw_values, group_codes

from so8t_evaluator.stats.share import share_interval
from so8t_evaluator.stats.wilson import wilson

SETS = 1000
ROWS = [(30, 3), (100, 3), (100, 10), (500, 10), (200, UNEQUAL)]


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (20, 20), (77, 400)])
def test_rows_that_stand_alone(hits: int, n: int) -> None:
    """Exactly Wilson's interval."""
    found, expected = share_interval(np.arange(n) < hits, np.arange(n), 0.95), wilson(hits, n, 0.95)
    assert (found.value, found.low, found.high) == (expected.value, expected.low, expected.high)
    assert (found.rows, found.groups, found.design_effect, found.too_few_groups) == (n, n, 1.0, False)


@pytest.mark.parametrize(("rows", "per_group"), ROWS)
@pytest.mark.parametrize("correlation", [0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("model", ["scattered", "copied"])
def test_covers_the_truth(rows: int, per_group: int, correlation: float, model: Model) -> None:
    """At least 93.5%, less Monte Carlo error, of the 95% intervals hold the true share, rare or common."""
    groups, rng = group_codes(rows, per_group), np.random.default_rng(11)
    for share in (0.02, 0.2, 0.5):
        held = 0
        for values in draw_values((share, 1 - share), groups, correlation, model, SETS // 2, rng):
            found = share_interval(values == 0, groups, 0.95)
            held += found.low <= share <= found.high
        assert held / (SETS // 2) > 0.935 - 0.024  # 2.2 standard errors


def test_nothing_hit() -> None:
    """None of the rows: an upper bound as if each group were one row or wider, and tighter with more groups."""
    bounds = [share_interval(np.zeros(n, dtype=bool), group_codes(n, 10), 0.95).high for n in (60, 200, 1000)]
    assert bounds == sorted(bounds, reverse=True)
    assert wilson(0, 100, 0.95).high <= bounds[-1] < 0.045


def test_too_few_groups() -> None:
    """Five groups of ten: anything is possible."""
    found = share_interval(np.arange(50) < 5, group_codes(50, 10), 0.95)
    assert (found.value, found.low, found.high) == (0.1, 0, 1)
    assert found.too_few_groups
    assert found.design_effect is None


def test_hits_never_give_a_better_bound_than_none() -> None:
    """30 groups of 10: single hits in 11 groups look independent, but say no less danger than no hit."""
    groups = np.repeat(np.arange(30), 10)
    none = share_interval(np.zeros(300, np.bool_), groups, 0.95)
    for count in range(1, 31):
        hit = np.isin(np.arange(300), np.arange(count) * 10)
        found, missed = share_interval(hit, groups, 0.95), share_interval(~hit, groups, 0.95)
        assert found.high >= none.high
        assert missed.low == pytest.approx(1 - found.high)
