"""The exact McNemar test, against statsmodels."""

from __future__ import annotations

import pytest
from statsmodels.stats.contingency_tables import mcnemar

from so8t_evaluator.stats.mcnemar import mcnemar_exact


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (1, 0), (3, 3), (0, 9), (12, 4), (7, 8), (40, 61), (300, 360)])
def test_agrees_with_statsmodels(only_a: int, only_b: int) -> None:
    """The same p as statsmodels' exact test, whatever the pairs on which both agree."""
    expected = mcnemar([[17, only_a], [only_b, 5]], exact=True).pvalue
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_by_hand() -> None:
    """Five against none: two tails of 1/32 each."""
    assert mcnemar_exact(5, 0) == pytest.approx(2 / 32)


def test_no_discordant_pair() -> None:
    """Nothing speaks against equality."""
    assert mcnemar_exact(0, 0) == 1.0
