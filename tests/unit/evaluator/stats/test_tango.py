"""Tango's score interval, against published figures, a brute-force inversion of the test, and simulated coverage."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from tests.messages import Said

from so8t_evaluator.stats.tango import score_interval

TABLES = [(1, 7, 21), (0, 0, 15), (3, 0, 30), (0, 8, 15), (6, 6, 40), (20, 40, 160), (10, 1, 12), (25, 24, 50)]
"""Rows that only A, and that only B, got right; and rows."""


def test_published() -> None:
    """-0.517 to -0.026 in Fagerland, Lydersen & Laake, Statistics in Medicine 33, 2014, 2850-2875, table of Bentur."""
    found = score_interval(7, 1, 21, 0.95)
    assert found.value == pytest.approx(-6 / 21)
    assert (round(found.low, 3), round(found.high, 3)) == (-0.517, -0.026)


@pytest.mark.parametrize(("only_a", "only_b", "n"), TABLES)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_inverts_the_score_test(only_a: int, only_b: int, n: int, confidence: float) -> None:
    """Its ends are those of all differences on a grid that the test, its likelihood maximized by search, lets stand."""
    z, grid = norm.ppf((1 + confidence) / 2), np.linspace(-0.999, 0.999, 1999)
    kept = [d for d in grid if abs(_score(only_a, only_b, n, float(d))) <= z]
    found = score_interval(only_a, only_b, n, confidence)
    assert (found.low, found.high) == pytest.approx((kept[0], kept[-1]), abs=0.0011)  # a step of the grid


def _score(only_a: int, only_b: int, n: int, difference: float) -> float:
    """The statistic with the nuisance share found by search instead of the closed form."""
    low, high = max(0.0, -difference), (1 - difference) / 2

    def minus_likelihood(q: float) -> float:
        cells = [(only_a, q), (only_b, q + difference), (n - only_a - only_b, 1 - 2 * q - difference)]
        return -sum(count * log(max(share, 1e-300)) for count, share in cells if count)

    q = float(minimize_scalar(minus_likelihood, bounds=(low, high), options={"xatol": 1e-12}).x)
    spread = sqrt(max(n * (2 * q + difference - difference**2), 1e-18))
    return (only_b - only_a - n * difference) / spread


def test_swapping_sides_mirrors() -> None:
    """A against B is B against A with its sign turned."""
    one, other = score_interval(3, 11, 50, 0.95), score_interval(11, 3, 50, 0.95)
    assert (one.low, one.value, one.high) == pytest.approx((-other.high, -other.value, -other.low))


def test_no_changed_row_has_a_width() -> None:
    """Without a changed row the ends are z^2 / (n + z^2) away: 73 rows show a loss below 5 points, 72 do not."""
    z = norm.ppf(0.975)
    found = score_interval(0, 0, 15, 0.95)
    assert (found.low, found.high) == pytest.approx((-(z**2) / (15 + z**2), z**2 / (15 + z**2)))
    assert [score_interval(0, 0, n, 0.95).low > -0.05 for n in (72, 73)] == [False, True]


def test_extremes() -> None:
    """All rows won or lost by one side: the interval ends at 1 or -1, and holds the estimate."""
    assert (score_interval(0, 9, 9, 0.95).high, score_interval(9, 0, 9, 0.95).low) == (1.0, -1.0)
    assert 0 < score_interval(0, 9, 9, 0.95).low < 1


@pytest.mark.parametrize(
    ("n", "won", "lost"), [(15, 0.0, 0.05), (30, 0.02, 0.07), (60, 0.0, 0.05), (60, 0.2, 0.25), (200, 0.05, 0.1)]
)
def test_a_loss_as_large_as_the_margin_hardly_ever_passes(n: int, won: float, lost: float) -> None:
    """At a true loss of 5 points, at most about 2.5% of the tests say that it is smaller."""
    draws = np.random.default_rng(3).multinomial(n, [lost, won, 1 - lost - won], size=4000)
    tables, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    passed = sum(
        int(count)
        for (c, b), count in zip(tables, counts, strict=True)
        if score_interval(int(c), int(b), n, 0.95).low > -0.05
    )
    assert passed / 4000 <= 0.04


def test_nothing(said: Said) -> None:
    """Without a row there is no difference."""
    with said.raised(ValueError):
        score_interval(0, 0, 0, 0.95)
