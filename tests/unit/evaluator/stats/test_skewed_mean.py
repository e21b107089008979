"""The interval of a mean of skewed values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from so8t_evaluator.stats.skewed_mean import skewed_mean_interval
from so8t_shared.config.model import AbTest
from so8t_shared.config.retention import Retention

N, RUNS = 60, 2_000
"""As many items as the shipped set has."""
MARGIN = Retention().margin
ALPHA = AbTest().alpha


def test_symmetric_values_get_students_interval() -> None:
    """Without skewness, the interval is scipy's t interval."""
    values = np.array([-3.0, -1, 0, 1, 3, -2, 2])
    found = skewed_mean_interval(values, 0.95)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((0, low, high), abs=1e-12)
    assert (found.rows, found.groups) == (7, 7)


def test_the_transformation_is_inverted() -> None:
    """Each end is the mean at which Hall's transformed statistic, computed as it is written, is Student's quantile."""
    values = -np.random.default_rng(1).lognormal(size=40)
    found, n = skewed_mean_interval(values, 0.9), len(values)
    skewness, deviation = stats.skew(values), values.std(ddof=1)
    for end, sign in ((found.low, 1), (found.high, -1)):
        t = (values.mean() - end) / (deviation / n**0.5)
        k = skewness / n**0.5
        transformed = t + k / 6 + k / 3 * t**2 + k**2 / 27 * t**3
        assert transformed == pytest.approx(sign * stats.t.ppf(0.95, n - 1), abs=1e-9)


def test_alike_and_too_few() -> None:
    """Values that are all alike leave no width; one value has no interval."""
    found = skewed_mean_interval(np.zeros(30), 0.95)
    assert (found.low, found.value, found.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="two values"):
        skewed_mean_interval(np.ones(1), 0.95)


@pytest.mark.parametrize(
    ("losses", "mean"),
    [
        (lambda rng, size: rng.normal(size=size), 0.0),
        (lambda rng, size: -rng.exponential(size=size), -1.0),
        (lambda rng, size: rng.normal(0, 0.3, size) - 3 * (rng.random(size) < 0.1), -0.3),
        (lambda rng, size: -rng.lognormal(0, 0.7, size), -np.exp(0.245)),
    ],
    ids=["normal", "exponential", "a tenth forgotten", "lognormal"],
)
def test_a_b_at_the_margin_is_rarely_kept(losses: object, mean: float) -> None:
    """Where B's true loss is the margin itself, the verdict is "kept" in at most alpha of the tests, lost as rarely."""
    rng = np.random.default_rng(16)
    assert callable(losses)
    values = losses(rng, (RUNS, N)) - mean - MARGIN
    found = [skewed_mean_interval(each, 1 - ALPHA) for each in values]
    kept = sum(each.low > -MARGIN for each in found) / RUNS
    lost = sum(each.high < -MARGIN for each in found) / RUNS
    assert kept <= ALPHA
    assert lost <= ALPHA
    assert kept + lost > ALPHA / 4, "an interval that wide decides nothing"
