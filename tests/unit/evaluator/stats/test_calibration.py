"""The expected calibration error, against its definition and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from tests.clustered_rows import group_codes
from tests.ranked_rows import draw_confidences

from so8t_evaluator.stats.calibration import binned_ece, bins_of, calibration_errors

OVER = {"calibrated": 0.0, "sure of 5 points too much": 0.05, "sure of 15 points too much": 0.15}
SETS = 200


@pytest.mark.parametrize(("rows", "per_group"), [(60, 1), (300, 1), (60, 3), (300, 3), (300, 10)])
def test_covers_the_truth(rows: int, per_group: int) -> None:
    """At least 93.5%, less Monte Carlo error, of the 95% intervals hold the true errors and their differences."""
    groups, rng = group_codes(rows, per_group), np.random.default_rng(14)
    correlation = 0.3 if per_group > 1 else 0.0
    held, truth = np.zeros(6), [*OVER.values()]
    for _ in range(SETS):
        models = [draw_confidences(over, groups, correlation, rng) for over in truth]
        for i, j in ((0, 1), (1, 2), (2, 0)):
            (found, _), difference = calibration_errors([models[i], models[j]], groups, 0.95)
            assert difference is not None
            held[i] += found.low <= truth[i] <= found.high
            held[3 + i] += difference.low <= truth[j] - truth[i] <= difference.high
    assert (held / SETS > 0.935 - 0.038).all(), held / SETS  # 2.2 standard errors


@pytest.mark.parametrize("rows", [5, 60, 1000])
def test_the_usual_form(rows: int) -> None:
    """Over 15 bins of equal width: scikit-learn's means of each bin, weighted by its rows."""
    sure, right = draw_confidences(0.1, np.arange(rows), 0, np.random.default_rng(17))
    shares, means = calibration_curve(right, sure, n_bins=15, strategy="uniform")
    counts = np.histogram(sure, np.linspace(0, 1, 16))[0]
    expected = float(np.abs(shares - means) @ counts[counts > 0]) / rows
    assert binned_ece(sure, right) == pytest.approx(expected)


def test_edges_of_the_usual_form() -> None:
    """A confidence of 0 or 1 has a bin, and the upper edge of a bin belongs to it."""
    assert binned_ece(np.array([0.0, 1.0]), np.array([False, True])) == 0.0
    apart = np.array([0.2, 0.2 + 1e-9])  # 3/15
    assert binned_ece(apart, np.array([True, False])) == pytest.approx((0.8 + 0.2) / 2)


@pytest.mark.parametrize("rows", [60, 300])
def test_chance_is_taken_off(rows: int) -> None:
    """Of a calibrated model the usual form shows 5 points or more, and this one less than half of that."""
    rng, usual, found = np.random.default_rng(15), 0.0, 0.0
    for _ in range(SETS):
        sure, right = draw_confidences(0, np.arange(rows), 0, rng)
        bins = bins_of(sure)
        usual += float(np.abs(np.bincount(bins, sure - right)).sum()) / rows / SETS
        found += calibration_errors([(sure, right)], np.arange(rows), 0.95)[0][0].value / SETS
    assert usual > 0.05
    assert found < usual / 2


def test_many_rows_agree_with_the_usual_form() -> None:
    """There is little to take off, and the interval is narrow."""
    sure, right = draw_confidences(0.1, np.arange(20_000), 0, np.random.default_rng(16))
    bins = bins_of(sure)
    usual = float(np.abs(np.bincount(bins, sure - right)).sum()) / 20_000
    (found,), none = calibration_errors([(sure, right)], np.arange(20_000), 0.95)
    assert found.value == pytest.approx(usual, abs=0.001)
    assert 0.005 < found.high - found.low < 0.02
    assert none is None


def test_always_sure_and_right_leaves_a_width() -> None:
    """One mistake in 60 or so may have been missed, by either of two equal models, too."""
    models = [(np.full(60, 0.999), np.ones(60, bool))] * 2
    (found, _), difference = calibration_errors(models, np.arange(60), 0.95)
    assert difference is not None
    assert (found.value, found.low) == (0, pytest.approx(0, abs=0.001))
    assert 0.03 < found.high < 0.12
    assert difference.high > 0.01
    assert difference.low < -0.01


def test_bins() -> None:
    """At most 15 of equally many rows, at least 20 rows each, and equal confidences stay together."""
    for rows, bins in ((1, 1), (39, 1), (40, 2), (60, 3), (300, 15), (9000, 15)):
        sizes = np.bincount(bins_of(np.random.default_rng(1).random(rows)))
        assert len(sizes) == bins
        assert sizes.max() - sizes.min() <= 1
    assert np.bincount(bins_of(np.repeat([0.5, 1.0], [40, 260]))).tolist() == [40, 260]


def test_too_few() -> None:
    """One row, one group, or five groups of ten: the widest interval."""
    for groups in (np.zeros(1, int), np.zeros(9, int), group_codes(50, 10)):
        model = (np.full(len(groups), 0.9), np.ones(len(groups), bool))
        (found, _), difference = calibration_errors([model, model], groups, 0.95)
        assert difference is not None
        assert (found.low, found.high, found.too_few_groups) == (0, 1, True)
        assert (difference.low, difference.high, difference.too_few_groups) == (-1, 1, True)
