"""Differences over seeds and groups against analysis of variance, exact tests, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, ttest_1samp
from tests.clustered_rows import group_codes
from tests.seeded_rows import World

from so8t_evaluator.stats.groups import grouped
from so8t_evaluator.stats.paired import paired_interval, paired_p
from so8t_evaluator.stats.seeds import over_seeds, over_seeds_p, variances_of

SETS = 300


def _differences(seeds: int = 4, rows: int = 60, size: int = 3, seed: int = 0) -> tuple[NDArray[np.int8], NDArray]:
    a, x, _, groups = World(rows, size, seeds, 0.05).draw(np.random.default_rng(seed))
    return x - a, groups


def test_parts_are_those_of_a_crossed_analysis_of_variance() -> None:
    """With single rows, the parts follow from the mean squares of rows, seeds and the rest."""
    d, _ = _differences(size=1)
    seeds, rows = d.shape
    grand, by_seed, by_row = d.mean(), d.mean(axis=1), d.mean(axis=0)
    of_seeds = rows * ((by_seed - grand) ** 2).sum() / (seeds - 1)
    of_rows = seeds * ((by_row - grand) ** 2).sum() / (rows - 1)
    rest = ((d - by_seed[:, None] - by_row + grand) ** 2).sum() / (seeds - 1) / (rows - 1)
    parts = over_seeds([d], np.arange(rows), 0.95).parts
    cells = seeds * rows
    assert parts.seeds == pytest.approx(max(of_seeds - rest, 0) / cells)
    assert parts.rows == pytest.approx((of_rows - rest) / cells)
    assert parts.seed_rows == pytest.approx(rest / cells)
    assert (parts.groups, parts.seed_groups) == (0.0, 0.0)


def test_groups_are_told_from_rows() -> None:
    """Where whole groups are alike, the variance is that of groups; where single rows differ, that of rows."""
    groups = group_codes(300, 10)
    rng = np.random.default_rng(1)
    alike = np.tile(rng.integers(-1, 2, 30)[groups], (4, 1)).astype(np.int8)
    single = np.tile(rng.integers(-1, 2, 300), (4, 1)).astype(np.int8)
    of_groups, of_rows = (over_seeds([d], groups, 0.95).parts for d in (alike, single))
    assert of_groups.groups > 5 * of_groups.rows > 0
    assert of_rows.rows > 2 * of_rows.groups


@pytest.mark.parametrize("size", [3, 10])
def test_seeds_that_answer_alike_are_one_file(size: int) -> None:
    """With identical seeds, test and interval equal the single file's."""
    d, groups = _differences(rows=200, size=size)
    same = np.tile(d[0], (5, 1))
    found, file = over_seeds([same], groups, 0.95), paired_interval(d[0], groups, 0.95)
    assert found.p == pytest.approx(paired_p(d[0], groups))
    assert (found.interval.low, found.interval.high) == pytest.approx((file.low, file.high), abs=2e-3)
    assert found.parts.seeds == 0


def test_one_arm_against_itself() -> None:
    """No row differs: p is 1, and the interval still has a width around 0."""
    d, groups = _differences()
    found = over_seeds([d - d], groups, 0.95)
    assert found.p == 1.0
    assert found.interval.low < 0 == found.interval.value < found.interval.high


def test_rows_alone_and_all_gained_have_the_exact_p() -> None:
    """Where seeds do not vary, at least McNemar's exact p remains: 10 of 10 gained is 2 / 1024."""
    assert over_seeds_p([np.ones((3, 10), np.int8)], np.arange(10)) == pytest.approx(2 / 1024)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 10]), st.integers(2, 6))
def test_order_does_not_matter(seed: int, size: int, seeds: int) -> None:
    """Permuting seeds and rows changes nothing, and swapping the sides only the sign."""
    d, groups = _differences(seeds, 60, size, seed)
    rng = np.random.default_rng(seed)
    rows, order = rng.permutation(60), rng.permutation(seeds)
    one, other = over_seeds([d], groups, 0.95), over_seeds([d[order][:, rows]], groups[rows], 0.95)
    swapped = over_seeds([-d], groups, 0.95)
    assert (other.p, other.interval.low, other.interval.high) == pytest.approx(
        (one.p, one.interval.low, one.interval.high), abs=1e-6
    )
    assert (swapped.p, swapped.interval.low) == pytest.approx((one.p, -one.interval.high), abs=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 10]))
def test_never_surer_than_at_these_seeds(seed: int, size: int) -> None:
    """The variance over seeds and groups is at least that of the groups alone, and p at least the seeds' own."""
    d, groups = _differences(3, 60, size, seed)
    rows = grouped(groups)
    means = d.mean(axis=0)
    alone = means.var() / 60 * rows.design_effect(means)
    assert sum(variance for variance, _ in variances_of([d], rows)) >= alone - 1e-12


def test_unequal_numbers_of_seeds() -> None:
    """Two arms with other seeds: the value is the difference of their means, and fewer seeds are less sure."""
    _, x, y, groups = World(200, 10, 6, 0.05, difference=0.15).draw(np.random.default_rng(3))
    many, few = over_seeds([x, -y], groups, 0.95), over_seeds([x, -y[:2]], groups, 0.95)
    assert few.interval.value == pytest.approx(x.mean() - y[:2].mean())
    assert few.interval.high - few.interval.low > many.interval.high - many.interval.low


def test_means_of_pairs_are_whole_in_their_unit() -> None:
    """Half of twice a difference is the difference."""
    d, groups = _differences()
    assert over_seeds([(d + d) / 2], groups, 0.95, unit=2).p == pytest.approx(over_seeds([d], groups, 0.95).p)


def test_one_seed_is_refused() -> None:
    """One seed says nothing about the variance between seeds."""
    with pytest.raises(ValueError, match="one seed"):
        over_seeds([np.zeros((1, 9), np.int8)], np.arange(9), 0.95)


def test_few_groups_conclude_nothing() -> None:
    """Five groups leave the widest interval and a p of 1."""
    found = over_seeds([np.ones((5, 50), np.int8)], group_codes(50, 10), 0.95)
    assert (found.p, found.interval.low, found.interval.high) == (1.0, -1.0, 1.0)
    assert found.interval.too_few_groups


@pytest.mark.parametrize(
    "world",
    [
        World(60, 3, 2, 0.1),
        World(60, 3, 5, 0.05),
        World(200, 10, 3, 0.1),
        World(60, 3, 5, 0.05, 0.6, "rough", redrawn=0.03),
    ],
    ids=str,
)
def test_false_alarms_keep_the_level(world: World) -> None:
    """Arms with the same distribution differ by seeds and rows only: as many alarms as 5% may give in 300 sets.

    The bound is the 99.9% quantile of the binomial distribution.
    """
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(SETS):
        a, x, y, groups = world.draw(rng)
        alarms += over_seeds_p([x - y], groups) < 0.05
        alarms += over_seeds_p([x - a], groups) < 0.05
    assert alarms <= 2 * binom.ppf(0.999, SETS, 0.05)


def test_a_t_test_of_seeds_means_does_not() -> None:
    """It takes the test rows for all there are: against one A, it alarms in more than 15%."""
    rng, world = np.random.default_rng(12), World(60, 3, 5, 0.05)
    drawn = [world.draw(rng) for _ in range(SETS)]
    assert np.mean([ttest_1samp((x - a).mean(axis=1), 0).pvalue < 0.05 for a, x, *_ in drawn]) > 0.15


def test_interval_covers_and_power_grows_with_seeds() -> None:
    """A true difference of 10 points lies in 95% of the intervals (99.9% bound), and more seeds find it more often."""
    found = {}
    for seeds in (2, 6):
        rng, world = np.random.default_rng(13), World(300, 3, seeds, 0.01, difference=0.1)
        drawn = [(x - y, groups) for _, x, y, groups in (world.draw(rng) for _ in range(100))]
        results = [over_seeds([d], groups, 0.95) for d, groups in drawn]
        missed = sum(not r.interval.low <= 0.1 <= r.interval.high for r in results)
        assert missed <= binom.ppf(0.999, 100, 0.05)
        found[seeds] = np.mean([r.p < 0.05 for r in results])
    assert found[6] > found[2] + 0.2
