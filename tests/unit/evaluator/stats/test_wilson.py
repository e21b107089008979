"""Wilson's interval, against the formula written out."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import pytest
from statsmodels.stats.proportion import proportion_confint
from tests.messages import Said

from so8t_evaluator.stats.wilson import wilson


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (1, 1), (7, 20), (499, 1000)])
def test_formula(successes: int, n: int, confidence: float) -> None:
    """Center and half-width are those of Wilson (1927)."""
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), successes / n
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    found = wilson(successes, n, confidence)
    assert found.value == share
    assert found.low == pytest.approx(center - half, abs=1e-9)
    assert found.high == pytest.approx(center + half, abs=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(1, 1), (7, 20), (499, 1000)])
def test_as_statsmodels(successes: int, n: int, confidence: float) -> None:
    """An independent implementation gives the same ends."""
    ends = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    found = wilson(successes, n, confidence)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-12)


def test_all_or_none_right() -> None:
    """The interval ends at 0 or 1 exactly, whatever the number of rows, and never beside the share itself."""
    for n in range(1, 1001):
        none, all_right = wilson(0, n, 0.95), wilson(n, n, 0.95)
        assert (none.value, none.low) == (0.0, 0.0)
        assert (all_right.value, all_right.high) == (1.0, 1.0)
        assert none.high > 0.0
        assert all_right.low < 1.0


def test_share_of_nothing(said: Said) -> None:
    """Without a row there is no share."""
    with said.raised(ValueError):
        wilson(0, 0, 0.95)
