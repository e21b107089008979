"""Holm's adjustment, by hand; and the fixed sequence of a headline and the rest, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from so8t_evaluator.stats.holm import headline_then_holm, holm

SETS = 4000


def test_by_hand() -> None:
    """The smallest times 4, the next times 3, and never below one before it; in the given order."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_against_statsmodels() -> None:
    """The same for any family, also with ties."""
    rng = np.random.default_rng(1)
    for n in range(1, 12):
        p = np.round(rng.random(n) ** 3, 2)
        assert holm(list(p)) == pytest.approx(list(multipletests(p, method="holm")[1]))


def test_never_above_one() -> None:
    """A p-value stays one."""
    assert holm([0.7, 0.9]) == [1.0, 1.0]


def test_small_families() -> None:
    """A family of one is left as it is, and none gives none."""
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("p_values", "headline", "expected"),
    [
        ([0.04], 0, [0.04]),
        ([0.04, 0.01, 0.02], 0, [0.04, 0.04, 0.04]),
        ([0.01, 0.04, 0.02], 1, [0.04, 0.04, 0.04]),
        ([0.001, 0.01, 0.03], 0, [0.001, 0.02, 0.03]),
        ([0.3, 0.001, 0.001], 0, [0.3, 0.3, 0.3]),
    ],
)
def test_headline_by_hand(p_values: list[float], headline: int, expected: list[float]) -> None:
    """The headline keeps its p; the others are adjusted among themselves, and none is below the headline's."""
    assert headline_then_holm(p_values, headline) == pytest.approx(expected)


def _p_values(shifts: list[float], correlation: float, seed: int) -> np.ndarray:
    """Two-sided p of six tests that share rows, [SETS, 6]; a shift of 0 is a true null hypothesis."""
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal((SETS, 1)), rng.standard_normal((SETS, len(shifts)))
    z = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own + np.array(shifts)
    return 2 * norm.sf(np.abs(z))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(
    "shifts",
    [[0.0] * 6, [6.0, *[0.0] * 5], [2.0, *[0.0] * 5], [0.0, *[6.0] * 5], [6.0, 6.0, 3.0, 0.0, 0.0, 0.0]],
    ids=["all equal", "headline differs", "headline differs a little", "only the headline is equal", "some differ"],
)
def test_family_wise_error(shifts: list[float], correlation: float) -> None:
    """At most 5 % of the families call a difference where there is none, whichever of the tests have one."""
    null, wrong = np.array(shifts) == 0, 0
    for p_values in _p_values(shifts, correlation, seed=3):
        wrong += bool((np.array(headline_then_holm(list(p_values), 0)) < 0.05)[null].any())
    assert wrong / SETS <= 0.05 + 0.0104  # three standard errors


def test_power_of_the_headline() -> None:
    """The headline is found as often as if it were the only test, well above Holm's rate over all six."""
    p_values = _p_values([2.6] * 6, 0.3, seed=4)
    fixed = np.mean([headline_then_holm(list(p), 2)[2] < 0.05 for p in p_values])
    assert fixed == np.mean(p_values[:, 2] < 0.05)
    assert fixed > np.mean([holm(list(p))[2] < 0.05 for p in p_values]) + 0.05
