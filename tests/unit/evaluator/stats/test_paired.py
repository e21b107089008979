"""The paired test and interval for grouped rows, against today's for rows alone and against simulated truth."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from tests.clustered_rows import UNEQUAL, Model, draw_values, group_codes

from so8t_evaluator.stats.mcnemar import mcnemar_exact
from so8t_evaluator.stats.paired import paired_interval, paired_p, sign_flip_p
from so8t_evaluator.stats.tango import score_interval

SETS = 500
COUNTS = [(0, 0, 20), (0, 6, 30), (12, 4, 60), (40, 61, 300)]


def _rows(only_a: int, only_b: int, n: int) -> np.ndarray:
    return np.repeat([-1, 1, 0], [only_a, only_b, n - only_a - only_b]).astype(np.int8)


@pytest.mark.parametrize(("only_a", "only_b", "n"), COUNTS)
def test_rows_that_stand_alone(only_a: int, only_b: int, n: int) -> None:
    """Exactly McNemar's test and Tango's interval."""
    rows, alone = _rows(only_a, only_b, n), np.arange(n)
    found, expected = paired_interval(rows, alone, 0.95), score_interval(only_a, only_b, n, 0.95)
    assert (found.value, found.low, found.high) == (expected.value, expected.low, expected.high)
    assert (found.groups, found.design_effect) == (n, 1.0)
    assert paired_p(rows, alone) == mcnemar_exact(only_a, only_b)


@pytest.mark.parametrize(("only_a", "only_b", "n"), COUNTS[1:])
def test_mid_p(only_a: int, only_b: int, n: int) -> None:
    """The exact p less the probability of the observed table, as the mid-p is defined."""
    exact = mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue
    discordant, fewer = only_a + only_b, min(only_a, only_b)
    at = float(mcnemar([[0, fewer - 1], [discordant - fewer + 1, 0]], exact=True).pvalue) if fewer else 0.0
    assert paired_p(_rows(only_a, only_b, n), np.arange(n), "mid_p") == pytest.approx((exact + at) / 2)


@pytest.mark.parametrize("sums", [[3, -1, 2, 2, 0, -4], [5, 5, 5, 1], [1, -1]])
def test_all_signs_by_hand(sums: list[int]) -> None:
    """The share of all signs of the groups' sums whose total is at least as far from 0."""
    totals = [abs(sum(s * x for s, x in zip(signs, sums, strict=True))) for signs in product((1, -1), repeat=len(sums))]
    expected = sum(total >= abs(sum(sums)) for total in totals) / len(totals)
    assert sign_flip_p(np.array(sums), "exact") == pytest.approx(expected)


def test_copies_add_nothing() -> None:
    """Ten copies of a row are no more evidence than one."""
    few = _rows(2, 10, 30)
    copied, groups = np.repeat(few, 10), group_codes(300, 10)
    assert paired_p(copied, groups) >= paired_p(few, np.arange(30))
    alone, found = paired_interval(few, np.arange(30), 0.95), paired_interval(copied, groups, 0.95)
    assert found.low <= alone.low + 0.01
    assert found.high >= alone.high - 0.01
    assert paired_p(copied, np.arange(300)) < 1e-10


@pytest.mark.parametrize(("rows", "per_group"), [(30, 3), (100, 10), (300, 3), (500, 10), (200, UNEQUAL)])
@pytest.mark.parametrize("correlation", [0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("model", ["scattered", "copied"])
def test_keeps_its_promises(rows: int, per_group: int, correlation: float, model: Model) -> None:
    """Coverage, false alarms and the one-sided error of "not worse", for few and many rows that differ."""
    groups, rng = group_codes(rows, per_group), np.random.default_rng(12)
    for only_a, only_b in ((0.025, 0.025), (0.2, 0.2), (0.1, 0.05)):
        missed = alarms = passed = 0
        for values in draw_values((only_a, only_b, 1 - only_a - only_b), groups, correlation, model, SETS, rng):
            difference = np.array([-1, 1, 0], dtype=np.int8)[values]
            found = paired_interval(difference, groups, 0.95)
            missed += not found.low <= only_b - only_a <= found.high
            passed += found.low > only_b - only_a
            alarms += only_a == only_b and paired_p(difference, groups) < 0.05
        assert missed / SETS < 0.065 + 0.024  # 2.2 standard errors
        assert alarms / SETS < 0.06 + 0.023
        assert passed / SETS < 0.035 + 0.018


def test_too_few_groups() -> None:
    """Five groups of ten: undecided, however clear it looks."""
    found, groups = paired_interval(_rows(0, 50, 50), group_codes(50, 10), 0.95), group_codes(50, 10)
    assert (found.low, found.high, found.too_few_groups) == (-1, 1, True)
    assert paired_p(_rows(0, 50, 50), groups) == 1


def test_no_difference() -> None:
    """Answers that agree everywhere leave a width, and the p is 1."""
    rows, groups = _rows(0, 0, 120), group_codes(120, 3)
    found = paired_interval(rows, groups, 0.95)
    assert found.low < -0.05
    assert found.high > 0.05
    assert paired_p(rows, groups) == 1


def test_very_many_rows() -> None:
    """A p of any size is a probability, also by the fast transform for many large groups."""
    rows = np.repeat([-1, 1, 0], [10_000, 30_000, 60_000]).astype(np.int8)
    groups = np.random.default_rng(5).permutation(group_codes(100_000, UNEQUAL))
    assert 0 <= paired_p(rows, groups) < 1e-6


def test_losses_never_give_a_better_end_than_none() -> None:
    """30 groups of 10: single losses in some groups look independent, but show no less of a loss than none."""
    groups = np.repeat(np.arange(30), 10)
    none = paired_interval(np.zeros(300, np.int8), groups, 0.95)
    for count in range(1, 31):
        lost = -np.isin(np.arange(300), np.arange(count) * 10).astype(np.int8)
        found, swapped = paired_interval(lost, groups, 0.95), paired_interval(-lost, groups, 0.95)
        assert found.low <= none.low
        assert swapped.high == pytest.approx(-found.low)
