"""The median's interval: its coverage, its ends, and how many values it takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from so8t_evaluator.stats.median import fewest_values, median_interval


@pytest.mark.parametrize(("confidence", "fewest"), [(0.8, 4), (0.9, 5), (0.95, 6), (0.99, 8)])
def test_fewest(confidence: float, fewest: int) -> None:
    """Where not even all values on one side would be significant in a sign test, there is no interval."""
    assert fewest_values(confidence) == fewest
    assert binomtest(0, fewest, 0.5).pvalue <= 1 - confidence < binomtest(0, fewest - 1, 0.5).pvalue
    assert median_interval(np.ones(fewest - 1), confidence) is None
    assert median_interval(np.arange(fewest, dtype=float), confidence) == (((fewest - 1) / 2), 0, fewest - 1)


@pytest.mark.parametrize("n", [6, 7, 20, 51, 200])
def test_ends_are_those_of_the_sign_test(n: int) -> None:
    """The interval holds the medians that a sign test at 5% does not reject."""
    values = np.sort(np.random.default_rng(n).lognormal(size=n))
    found = median_interval(np.random.default_rng(0).permutation(values), 0.95)
    assert found is not None
    value, low, high = found
    kept = [x for x in (values[1:] + values[:-1]) / 2 if binomtest(int((values < x).sum()), n, 0.5).pvalue > 0.05]
    assert (value, values[values > min(kept)][0] > low, low < min(kept), high > max(kept)) == (
        np.median(values), True, True, True,
    )  # fmt: skip
    assert low == values[values < min(kept)].max()
    assert high == values[values > max(kept)].min()


def test_coverage() -> None:
    """At least 95% of the intervals of skewed values hold the true median."""
    rng = np.random.default_rng(1)
    found = [median_interval(rng.lognormal(size=20), 0.95) for _ in range(2000)]
    assert np.mean([low <= 1 <= high for _, low, high in filter(None, found)]) > 0.95 - 0.015
