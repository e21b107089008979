"""The upper bound of a share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from so8t_evaluator.stats.clopper_pearson import upper_bound


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(("hits", "n"), [(0, 1), (0, 148), (0, 149), (1, 60), (30, 60), (60, 60)])
def test_single_rows(hits: int, n: int, confidence: float) -> None:
    """Where every row stands alone, it is scipy's exact bound."""
    expected = binomtest(hits, n, alternative="less").proportion_ci(confidence, method="exact").high
    hit = np.arange(n) < hits
    assert upper_bound(hit, np.arange(n), confidence) == pytest.approx(expected, rel=1e-9)


def test_rows_of_a_group_tell_less() -> None:
    """Rows in groups of four give a higher bound than as many single ones, at most that of single groups."""
    hit, groups = np.arange(200) < 4, np.arange(200) // 4
    single = upper_bound(hit, np.arange(200), 0.95)
    assert single < upper_bound(hit, groups, 0.95) <= 1.1 * upper_bound(hit[::4], np.arange(50), 0.95)
    none = np.zeros(200, bool)
    assert upper_bound(none, groups, 0.95) == pytest.approx(upper_bound(none[::4], np.arange(50), 0.95), rel=0.1)


def test_scattered_hits_are_no_better_than_none() -> None:
    """A hit in each of some groups never bounds lower than no hit at all."""
    hit, groups = np.arange(200) % 100 == 0, np.arange(200) // 4
    assert upper_bound(hit, groups, 0.95) >= upper_bound(np.zeros(200, bool), groups, 0.95)


def test_too_few_groups() -> None:
    """Of five groups, nothing is known."""
    assert upper_bound(np.zeros(50, bool), np.arange(50) // 10, 0.95) == 1.0


def test_no_row() -> None:
    """A share of nothing is refused."""
    with pytest.raises(ValueError, match="n = 0"):
        upper_bound(np.zeros(0, bool), np.zeros(0, int), 0.95)
