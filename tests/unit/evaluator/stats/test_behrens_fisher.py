"""Sums of variables of Student's t against closed forms and simulation."""

from __future__ import annotations

from math import atan, pi, sqrt

import numpy as np
import pytest
from scipy.stats import norm, t

from so8t_evaluator.stats.behrens_fisher import half_width, tail


def test_one_part_is_students_t() -> None:
    """With a single part, tail and width equal a t test's."""
    assert tail(3.0, [(4.0, 5)]) == pytest.approx(2 * t.sf(1.5, 5))
    assert half_width([(4.0, 5)], 0.95) == pytest.approx(2 * t.ppf(0.975, 5), rel=1e-5)


@pytest.mark.parametrize(("one", "other"), [(1.0, 1.0), (9.0, 0.25), (0.01, 4.0)])
def test_two_parts_of_one_degree_add_their_errors(one: float, other: float) -> None:
    """The sum of two Cauchy variables is one whose scale is the sum of theirs."""
    scale = sqrt(one) + sqrt(other)
    for distance in (0.5, 3.0, 20.0):
        assert tail(distance, [(one, 1), (other, 1)]) == pytest.approx(1 - 2 / pi * atan(distance / scale), abs=2e-3)


def test_three_parts_of_many_degrees_add_their_variances() -> None:
    """With many degrees of freedom, the sum is normal."""
    parts = [(1.0, 1e6), (2.0, 1e6), (0.5, 1e6)]
    assert tail(3.0, parts) == pytest.approx(2 * norm.sf(3 / sqrt(3.5)), rel=2e-3)


@pytest.mark.parametrize("parts", [[(1.0, 2), (3.0, 40)], [(2.0, 4), (1.0, 4), (1.5, 29)]])
def test_tail_is_that_of_simulated_sums(parts: list[tuple[float, float]]) -> None:
    """At the width, 5% of a million simulated sums lie beyond: within four standard errors."""
    rng = np.random.default_rng(0)
    drawn = sum(sqrt(variance) * rng.standard_t(df, 10**6) for variance, df in parts)
    width = half_width(parts, 0.95)
    assert np.mean(np.abs(drawn) > width) == pytest.approx(0.05, abs=4 * sqrt(0.05 * 0.95 / 10**6) + 2e-4)
    assert tail(width, parts) == pytest.approx(0.05, abs=1e-6)


def test_wider_than_satterthwaite_for_two_seeds() -> None:
    """A part of one degree that happens to be small still counts."""
    parts = [(0.1, 1.0), (1.0, 50.0)]
    df = 1.1**2 / (0.1**2 / 1 + 1 / 50)
    assert half_width(parts, 0.95) > sqrt(1.1) * t.ppf(0.975, df)


def test_without_variance_only_no_difference_is_likely() -> None:
    """Nothing varies: a difference of 0 has p 1, any other 0, and the width is 0."""
    assert (tail(0.0, [(0.0, 4)]), tail(0.1, [(0.0, 4)]), half_width([(0.0, 4)], 0.95)) == (1.0, 0.0, 0.0)
