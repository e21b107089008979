"""A method over seeds: the expected difference for new seeds and new groups of rows, from every seed's answers.

A figure per seed and row, such as right (1) minus A's right, has crossed random effects: groups of rows, seeds, and
both together. The mean over all has the variance

    V = (variance between seeds) / seeds + (covariance of two seeds over groups) / groups

with moment estimates, as for readers and cases in imaging (Obuchowski & Rockette, Communications in Statistics 24,
1995; Hillis, Statistics in Medicine 33, 2014) and as two-way clustering (Cameron, Gelbach & Miller, JBES 29, 2011):

- seeds: the variance of the seeds' means over their number, at least what chance in rows makes of it.
- groups: the variance of the rows' means over seeds, with the design effect of `stats.groups`, less what chance in a
  seed and group makes of it.

Each has its own degrees of freedom, see `stats.behrens_fisher`. No result is better than the same at these seeds, by
the test and the interval of `stats.paired`; if all seeds answer alike, the two agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from so8t_evaluator.stats.behrens_fisher import Variance, half_width, tail
from so8t_evaluator.stats.groups import Groups, grouped
from so8t_evaluator.stats.paired import Kind, sign_flip_p
from so8t_evaluator.stats.tango import score_ends
from so8t_shared.results.interval import Interval

Side = NDArray[np.int8] | NDArray[np.float64]
"""[seeds, rows], values between -1 and 1."""


@dataclass(frozen=True)
class Parts:
    """Estimated parts of the variance of a mean over seeds and rows."""

    rows: float
    groups: float
    seeds: float
    seed_groups: float
    """Groups that a seed favors."""
    seed_rows: float
    """Single rows that a seed favors, and chance."""


@dataclass(frozen=True)
class OverSeeds:
    """An expected difference with its test."""

    interval: Interval
    p: float
    parts: Parts


def over_seeds(
    sides: Sequence[Side], groups: NDArray[np.integer], confidence: float, kind: Kind = "exact", *, unit: int = 1
) -> OverSeeds:
    """Return the sum of the sides' expectations: one side of differences, or an arm and the other one's negative.

    Two arms with the same seeds are one side, of differences: that holds however alike a seed makes them, while two
    sides must be independent. Values are multiples of 1 / `unit`. Too few groups give -1 to 1 and a p of 1.

    Raises:
        ValueError: there is no row, or a side has fewer than two seeds.
    """
    rows, means = _checked(sides, groups), _means(sides)
    value, parts = float(means.mean()), _parts(sides, means, rows)
    counts = {"rows": rows.rows, "groups": rows.count}
    if rows.too_few:
        return OverSeeds(Interval(value=value, low=-1.0, high=1.0, too_few_groups=True, **counts), 1.0, parts)
    half = half_width(variances_of(sides, rows), confidence)
    low, high = _ends_at_these_seeds(means, rows, confidence)
    low, high = max(-1.0, min(low, value - half)), min(1.0, max(high, value + half))
    return OverSeeds(
        Interval(value=value, low=low, high=high, **counts), over_seeds_p(sides, groups, kind, unit), parts
    )


def over_seeds_p(sides: Sequence[Side], groups: NDArray[np.integer], kind: Kind = "exact", unit: int = 1) -> float:
    """Return the two-sided p of `over_seeds` by itself."""
    rows, means = _checked(sides, groups), _means(sides)
    if rows.too_few:
        return 1.0
    p = tail(float(means.mean()), variances_of(sides, rows))
    return max(p, _p_at_these_seeds(sides, means, rows, kind, unit))


def _checked(sides: Sequence[Side], groups: NDArray[np.integer]) -> Groups:
    if min(len(side) for side in sides) < 2:
        raise ValueError("the variance between seeds is undefined for one seed")
    return grouped(groups)


def variances_of(sides: Sequence[Side], rows: Groups) -> list[Variance]:
    """Return the parts of the mean's variance with their degrees of freedom: each side's seeds, then the groups."""
    means = _means(sides)
    found: list[Variance] = []
    chance = 0.0
    for side in sides:
        by_chance = _interaction(side, rows)
        found.append((max(_between(side), by_chance), len(side) - 1))
        chance += by_chance
    whole = float(means.var()) / rows.rows * rows.design_effect(means)
    df = rows.rows - 1.0 if rows.alone else rows.degrees_of_freedom(means)
    return [*found, (max(whole - chance, 0.0), df)]


def _means(sides: Sequence[Side]) -> NDArray[np.float64]:
    """Return each row's mean over seeds, added over the sides."""
    means = np.sum([side.mean(axis=0) for side in sides], axis=0)
    rounded: NDArray[np.float64] = np.round(means, 12)  # the design effect counts equal values
    return rounded


def _between(side: Side) -> float:
    return float(side.mean(axis=1).var(ddof=1)) / len(side)


def _interaction(side: Side, rows: Groups) -> float:
    """Return the variance of the mean that comes from groups' differences between seeds."""
    sums = np.array([rows.sums(values) - rows.sizes * values.mean() for values in side])
    squares = ((sums - sums.mean(axis=0)) ** 2).sum(axis=0) / (len(side) - 1)
    return float((_weights(rows) * squares).sum()) / len(side) / rows.rows**2


def _weights(rows: Groups) -> NDArray[np.float64]:
    """Return the divisors of Bell & McCaffrey, see `stats.groups`."""
    weights: NDArray[np.float64] = 1 / np.maximum(1 - rows.sizes / rows.rows, 1 / rows.rows)
    return weights


def _parts(sides: Sequence[Side], means: NDArray[np.float64], rows: Groups) -> Parts:
    single = grouped(np.arange(rows.rows))
    found = []
    for units in (single, rows):
        left = units.sums(means) - units.sizes * means.mean()
        whole = float((_weights(units) * left**2).sum()) / rows.rows**2
        chance = [_interaction(side, units) for side in sides]
        found.append((max(whole - sum(chance), 0.0), chance))
    (of_rows, row_chance), (of_groups, group_chance) = found
    seeds = sum(max(_between(side) - chance, 0.0) for side, chance in zip(sides, group_chance, strict=True))
    return Parts(
        rows=min(of_rows, of_groups) if not rows.alone else of_rows,
        groups=max(of_groups - of_rows, 0.0),
        seeds=seeds,
        seed_groups=max(sum(group_chance) - sum(row_chance), 0.0),
        seed_rows=min(sum(row_chance), sum(group_chance)),
    )


def _p_at_these_seeds(sides: Sequence[Side], means: NDArray[np.float64], rows: Groups, kind: Kind, unit: int) -> float:
    """Return the p of `stats.paired` for the rows' means over these seeds."""
    times = unit * lcm(*(len(side) for side in sides))
    whole = np.rint(means * times)
    flipped = sign_flip_p(np.rint(rows.sums(whole)).astype(np.int64), kind)
    if rows.alone or not whole.any():
        return flipped
    spread = sqrt(float((means**2).sum()) * rows.design_effect(means))
    return max(flipped, float(2 * t.sf(abs(float(means.sum())) / spread, rows.degrees_of_freedom(means))))


def _ends_at_these_seeds(means: NDArray[np.float64], rows: Groups, confidence: float) -> tuple[float, float]:
    """Return the score interval of `stats.paired` for as many gained and lost rows as have this mean and square."""
    n, value, square = rows.rows, float(means.mean()), float((means**2).mean())
    none = np.zeros(n)
    low, high = score_ends(0.0, 0.0, n / _effect(none, rows), _quantile(none, rows, confidence))
    effect, z = _effect(means, rows), _quantile(means, rows, confidence)
    lost, gained = n * max(square - value, 0.0) / 2, n * max(square + value, 0.0) / 2
    ends = score_ends(lost / effect, gained / effect, n / effect, z)
    return (min(ends[0], low) if value <= 0 else ends[0]), (max(ends[1], high) if value >= 0 else ends[1])


def _effect(means: NDArray[np.float64], rows: Groups) -> float:
    return 1.0 if rows.alone else rows.design_effect(means)


def _quantile(means: NDArray[np.float64], rows: Groups, confidence: float) -> float:
    if rows.alone:
        return float(t.ppf((1 + confidence) / 2, rows.rows - 1)) if rows.rows > 1 else float("inf")
    return rows.quantile(means, confidence)
