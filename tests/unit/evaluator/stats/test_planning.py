"""Planned rows and differences, against simulated tests by the functions that will judge."""

from __future__ import annotations

import numpy as np
import pytest
from tests.clustered_rows import draw_values, group_codes

from so8t_evaluator.stats.detectable import minimum_detectable_effect
from so8t_evaluator.stats.paired import paired_interval, paired_p
from so8t_evaluator.stats.planning import ALONE, Grouping, rows_for_bound, rows_for_margin, smallest_difference
from so8t_evaluator.stats.share import share_interval

SETS = 300
THREES = Grouping(rows_per_group=3, design_effect=1 + 2 * 0.3)
TENS = Grouping(rows_per_group=10, design_effect=1 + 9 * 0.3)
GROUPINGS = [ALONE, THREES, TENS]
NEAR = 0.1
"""Monte Carlo error (2.3%) and that of taking grouped rows for fewer independent ones."""


def _rows(chances: tuple[float, ...], rows: int, grouping: Grouping) -> tuple[np.ndarray, np.ndarray]:
    groups = group_codes(rows, int(grouping.rows_per_group))
    correlation = 0.0 if grouping is ALONE else 0.3
    return draw_values(chances, groups, correlation, "scattered", SETS, np.random.default_rng(21)), groups


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize(("rate", "bound"), [(0.05, 0.1), (0.3, 0.4), (0.95, 0.9)])
def test_rows_for_a_bound(rate: float, bound: float, grouping: Grouping) -> None:
    """With so many rows the bound is shown about four times out of five."""
    rows = rows_for_bound(bound, rate, 0.95, grouping)
    assert rows is not None
    drawn, groups = _rows((rate, 1 - rate), rows, grouping)
    found = [share_interval(values == 0, groups, 0.95) for values in drawn]
    shown = np.mean([i.high < bound if rate < bound else i.low > bound for i in found])
    assert shown == pytest.approx(0.8, abs=NEAR)


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize(("margin", "disagreement"), [(0.05, 0.1), (0.1, 0.2)])
def test_rows_for_a_margin(margin: float, disagreement: float, grouping: Grouping) -> None:
    """With so many rows an equal B is shown to be not worse about four times out of five."""
    rows = rows_for_margin(margin, disagreement, 0.95, grouping)
    assert rows is not None
    drawn, groups = _rows((disagreement / 2, disagreement / 2, 1 - disagreement), rows, grouping)
    differences = np.array([-1, 1, 0], dtype=np.int8)[drawn]
    shown = np.mean([paired_interval(d, groups, 0.95).low > -margin for d in differences])
    assert shown == pytest.approx(0.8, abs=NEAR)


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize(("rows", "disagreement"), [(300, 0.3), (900, 0.15)])
def test_smallest_difference(rows: int, disagreement: float, grouping: Grouping) -> None:
    """A difference of this size is found about four times out of five."""
    found = smallest_difference(rows, disagreement, 0.05, grouping)
    assert found is not None
    lost, gained = (disagreement - found) / 2, (disagreement + found) / 2
    drawn, groups = _rows((lost, gained, 1 - disagreement), rows, grouping)
    differences = np.array([-1, 1, 0], dtype=np.int8)[drawn]
    assert np.mean([paired_p(d, groups) < 0.05 for d in differences]) == pytest.approx(0.8, abs=NEAR)


def test_rows_that_stand_alone() -> None:
    """The smallest difference is that of the exact test."""
    assert smallest_difference(400, 0.2, 0.05) == minimum_detectable_effect(400, 80, 0.05)


def test_known_figures() -> None:
    """An equal B needs about n = (1.96 + 0.84)^2 d / margin^2 rows; 5 points at 10 and 30% disagreement."""
    assert rows_for_margin(0.05, 0.1, 0.95) == pytest.approx(314, rel=0.15)
    assert rows_for_margin(0.05, 0.3, 0.95) == pytest.approx(942, rel=0.05)


def test_impossible() -> None:
    """A margin of 0, a rate on its bound, and too few groups: nothing can be shown."""
    assert rows_for_margin(0.0, 0.1, 0.95) is None
    assert rows_for_bound(0.1, 0.1, 0.95) is None
    assert smallest_difference(50, 0.3, 0.05, TENS) is None
    assert smallest_difference(100, 0.0, 0.05) is None
