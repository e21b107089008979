"""Bets that may end at any time: no way to end them wins on average, and they find what another library finds."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from so8t_evaluator.stats.anytime import (
    BETS,
    Evidence,
    Levels,
    Pool,
    anytime_difference,
    anytime_excess_p,
    anytime_p,
    anytime_share,
    e_values,
    log_capital,
)

ENDLESS = 10**9
"""Groups of a pool so large that what was asked does not count."""

Runs = NDArray[np.float64]


def _best_end(values: Runs, sizes: Runs, chance: NDArray[np.float64], mean: float, groups: int) -> float:
    """Return what is won on average by the best rule for ending, over all [runs, t] with their chances."""
    won = np.exp(log_capital(values, sizes, mean, groups))
    best = won[:, -1]
    for t in range(won.shape[1] - 1, -1, -1):
        seen = np.unique(np.hstack([values[:, :t], sizes[:, :t]]), axis=0, return_inverse=True)[1].ravel()
        expected = (np.bincount(seen, weights=chance * best) / np.bincount(seen, weights=chance))[seen]
        best = np.maximum(won[:, t - 1] if t else 1.0, expected)
    return float(best[0])


@pytest.mark.parametrize("groups", [6, 60])
@pytest.mark.parametrize("chances", [(0.5, 0.0, 0.5), (0.1, 0.8, 0.1), (0.3, 0.55, 0.15)])
def test_no_end_wins_against_a_true_statement(chances: tuple[float, float, float], groups: int) -> None:
    """Over every outcome of six single rows from a population, with the best possible time to end."""
    outcomes = np.array(list(product(range(3), repeat=6)))
    values, chance = outcomes / 2, np.prod(np.array(chances)[outcomes], axis=1)
    possible = chance > 0
    values, chance, mean = values[possible], chance[possible], chances[1] / 2 + chances[2]
    assert _best_end(values, np.ones_like(values), chance, mean, groups) == pytest.approx(1, abs=1e-9)
    assert _best_end(1 - values, np.ones_like(values), chance, 1 - mean, groups) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "pool",
    [
        [(1, 1), (-1, 1)],
        [(1, 1), (1, 1), (1, 1), (-1, 1), (-1, 1), (-1, 1)],
        [(3, 3), (-1, 1), (-1, 1), (-1, 1), (0, 2), (0, 1)],
        [(-4, 4), (1, 1), (1, 1), (1, 1), (1, 2), (0, 3)],
    ],
)
def test_no_end_wins_against_equal_models_on_the_rows_there_are(pool: list[tuple[int, int]]) -> None:
    """Over every order of a small pool of (gained minus lost, rows) in which as many rows are gained as lost."""
    orders = np.array(list(permutations(pool)), np.float64)
    differences, sizes = orders[..., 0], orders[..., 1]
    largest, equal = sizes.max(), np.full(len(orders), 1 / len(orders))
    for sign in (1, -1):
        values = (sizes + sign * differences) / 2 / largest
        assert _best_end(values, sizes / largest, equal, 0.5, len(pool)) == pytest.approx(1, abs=1e-9)


def test_betting_for_the_population_alone_wins_on_the_rows_there_are() -> None:
    """Without what the first groups owe the others, a good time to end wins, so the check above can fail."""
    orders = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert _best_end(orders, np.ones((2, 2)), np.full(2, 0.5), 0.5, ENDLESS) == pytest.approx(1.0625)


def test_capital_is_what_its_formula_says() -> None:
    """Group by group, bet by bet, with a group that has no such row."""
    sums, sizes, groups, mean = [0.5, 0.0, 0.25, 1.0], [1.0, 0.0, 0.5, 1.0], 5, 0.6
    capital, before, found = np.ones(len(BETS)), 0.0, []
    for t, (s, n) in enumerate(zip(sums, sizes, strict=True)):
        owed = max(0.0, -before / (groups - t))
        x = s - mean * n
        capital = capital * (1 + BETS * (x - owed) / (mean + owed))
        before += x
        found.append(np.log(capital.mean()))
    assert log_capital(np.array(sums), np.array(sizes), mean, groups) == pytest.approx(found)


# Written by ville 0.1.0 (numpy 2.4.6) from the draws below:
#   ville.BernoulliCS(alpha=0.01, intersect=False).fit(hits)
#   ville.BettingCS(alpha=0.01, intersect=False).fit((1 + d) / 2)
SHARES = {20: (0.0000, 0.4008), 60: (0.0511, 0.4031), 120: (0.0887, 0.3562)}
DIFFERENCES = {20: (-0.2719, 0.6494), 60: (0.0787, 0.5510), 120: (0.1215, 0.4885)}


def test_intervals_are_near_those_of_another_library() -> None:
    """Other bets give other ends, but not by more than a few points."""
    rng = np.random.default_rng(7)
    hits = rng.random(120) < 0.2
    d = rng.choice([-1, 0, 1], p=[0.05, 0.6, 0.35], size=120).astype(np.int8)
    for t, ends in SHARES.items():
        found = anytime_share(hits[:t], np.arange(t), Pool(ENDLESS, 1), 0.99)
        assert (found.low, found.high) == pytest.approx(ends, abs=0.01)
    for t, ends in DIFFERENCES.items():
        found = anytime_difference(d[:t], np.arange(t), Pool(ENDLESS, 1), 0.99)
        assert (found.low, found.high) == pytest.approx(ends, abs=0.035)


def test_interval_holds_what_is_not_refuted() -> None:
    """Its ends are where 2 / alpha is won, zero is outside exactly if p is significant, and groups count."""
    d, groups = np.array([1] * 30 + [0] * 30 + [-1] * 6, np.int8), np.arange(66)
    pool = Pool(80, 1)
    found = anytime_difference(d, groups, pool, 0.95)
    evidence = Evidence.of((1.0 + d) / 2, groups, pool)
    assert np.exp(evidence.above((1 + found.low) / 2)) == pytest.approx(40, rel=1e-3)
    assert (found.low > 0) == (anytime_p(d, groups, pool) < 0.05)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(24 / 66)
    better, worse = e_values(d, groups, pool)
    assert anytime_p(d, groups, pool) == pytest.approx(2 / better)
    assert worse < 1 < better
    in_threes = anytime_difference(np.repeat(d, 3), np.repeat(groups, 3), Pool(80, 3), 0.95)
    assert (in_threes.low, in_threes.high) == pytest.approx((found.low, found.high))
    assert (in_threes.rows, in_threes.groups) == (198, 66)


def test_few_groups_conclude_nothing() -> None:
    """Five groups that are all gained may be chance, and no row at all has no share."""
    assert anytime_p(np.ones(50, np.int8), np.repeat(np.arange(5), 10), Pool(5, 10)) > 0.05
    with pytest.raises(ValueError, match="n = 0"):
        anytime_share(np.zeros(0, np.bool_), np.zeros(0, np.int64), Pool(9, 1), 0.95)


def test_excess_of_a_slice_claims_no_more_than_bets_on_its_groups() -> None:
    """Whatever the order and sizes of its groups; single rows of a population lose nothing."""
    rng = np.random.default_rng(3)
    for largest in (1, 4):
        groups = np.repeat(np.arange(40), rng.integers(1, largest + 1, 40))
        hit = rng.random(len(groups)) < 0.3
        won = Evidence.of(hit.astype(np.float64), groups, Pool(ENDLESS, largest)).above(0.1)
        p = anytime_excess_p(float(hit.mean()), len(hit) / largest, 0.1)
        assert p >= np.exp(-won) * (1 - 1e-9)
        assert largest > 1 or p == pytest.approx(np.exp(-won))


def test_levels_add_up() -> None:
    """A fifth of alpha for the looks, the rest for the usual test."""
    levels = Levels.of(0.95)
    assert (levels.early, levels.late) == (0.99, 0.96)
    assert (1 - levels.early) + (1 - levels.late) == pytest.approx(0.05)
