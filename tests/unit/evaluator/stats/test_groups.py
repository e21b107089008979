"""Groups of rows: sizes, design effect and what too few of them mean."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from tests.clustered_rows import group_codes
from tests.messages import Said

from so8t_evaluator.stats.groups import codes, grouped


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
