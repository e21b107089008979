"""Groups of rows: sizes, design effect and what too few of them mean."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from tests.clustered_rows import draw_values, group_codes
from tests.messages import Said

from so8t_evaluator.stats.groups import codes, grouped
from so8t_evaluator.stats.paired import paired_p
from so8t_evaluator.stats.share import share_interval


def test_codes() -> None:
    """One number per name, from 0."""
    assert codes(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]


def test_effective_number() -> None:
    """Equal groups count one each; a large one hardly counts for more than one."""
    assert grouped(group_codes(60, 10)).effective == 6
    assert not grouped(group_codes(60, 10)).too_few
    assert grouped(group_codes(50, 10)).too_few
    lopsided = np.concatenate([np.zeros(100), np.arange(1, 21)]).astype(np.int64)
    assert grouped(lopsided).effective == pytest.approx(120**2 / (100**2 + 20))
    assert grouped(lopsided).too_few
    assert not grouped(np.arange(3)).too_few


@pytest.mark.parametrize(
    ("sizes", "too_few"),
    [([34, 34, 33, 33, 33, 33], False), ([50, 40, 35, 30, 25, 20], False), ([60, 45, 35, 25, 20, 15], True)],
)
def test_six_unequal_groups(sizes: list[int], too_few: bool) -> None:
    """Enough while they are worth six, rounded."""
    assert grouped(np.repeat(np.arange(6), sizes)).too_few == too_few


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_fewest_groups_cover(correlation: float) -> None:
    """Intervals of six groups worth 5.5 hold the truth, and the test raises no alarm too many."""
    rng, groups = np.random.default_rng(8), np.repeat(np.arange(6), [50, 40, 35, 30, 25, 20])
    shares = draw_values((0.8, 0.2), groups, correlation, "copied", 200, rng) == 1
    held = [found.low <= 0.2 <= found.high for found in (share_interval(hits, groups, 0.95) for hits in shares)]
    moved = draw_values((0.6, 0.2, 0.2), groups, correlation, "copied", 200, rng)
    differences = np.array([0, 1, -1], np.int8)[moved]
    alarms = [paired_p(difference, groups) < 0.05 for difference in differences]
    assert np.mean(held) > 0.935 - 0.03  # two standard errors
    assert np.mean(alarms) < 0.06


def test_as_statsmodels() -> None:
    """With many groups that differ, the variance is that of ordinary least squares with clustered errors."""
    rng = np.random.default_rng(0)
    groups = group_codes(600, 3)
    values = rng.normal(size=200)[groups] + rng.normal(size=600)
    theirs = sm.OLS(values, np.ones(600)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    independent = sm.OLS(values, np.ones(600)).fit()
    expected = float((theirs.bse[0] / independent.bse[0]) ** 2)
    assert grouped(groups).design_effect(values) == pytest.approx(expected, rel=0.01)


def test_copies() -> None:
    """Rows of a group that are all the same: the size of a group, with many groups and with one that differs."""
    groups, rng = group_codes(1000, 10), np.random.default_rng(1)
    assert grouped(groups).design_effect((rng.random(100) < 0.4)[groups]) == pytest.approx(10, rel=0.03)
    assert grouped(groups).design_effect(groups == 3) == pytest.approx(10, rel=0.05)
    assert grouped(groups).design_effect(np.zeros(1000)) == 10


def test_one_single_error_does_not_show_independence() -> None:
    """A lone error leaves nearly the largest effect; errors scattered over most groups leave hardly any."""
    groups = group_codes(500, 10)
    lone, scattered = np.arange(500) == 7, np.arange(500) % 10 == 3
    assert 8 < grouped(groups).design_effect(lone) < 10
    assert grouped(groups).design_effect(scattered) < 1.1


def test_no_row(said: Said) -> None:
    """Nothing has no mean."""
    with said.raised(ValueError):
        grouped(np.zeros(0, dtype=np.int64))
