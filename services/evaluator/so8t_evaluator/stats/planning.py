"""What a test on so many rows can find, and how many rows a clause of the gate needs, before any answer is known.

Exact sums over binomial counts of as many independent rows as the grouped ones tell (rows over design effect), against
the limits that the intervals of `stats.share` and `stats.paired` will set: they use the expected design effect of those
modules, which is larger than the true one where few groups differ, and Student's quantile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil, exp, floor, sqrt

import numpy as np
from scipy.stats import binom, norm, t

from so8t_evaluator.stats.detectable import POWER, minimum_detectable_effect, power
from so8t_evaluator.stats.groups import FEWEST_DEGREES, FEWEST_GROUPS, UNSEEN_WEIGHT

MOST_ROWS = 200_000
"""More rows than this are not searched."""
_TAIL = 1e-6
_SETTLED = 1.5
"""With this many times the rows of the first 80%, the chance falls below no more."""


@dataclass(frozen=True)
class Grouping:
    """How alike the rows are assumed to be."""

    rows_per_group: float = 1.0
    design_effect: float = 1.0


ALONE = Grouping()


@cache
def smallest_difference(rows: int, disagreement: float, alpha: float, grouping: Grouping = ALONE) -> float | None:
    """Return the smallest difference that the exact paired test finds with 80%; None if there is none.

    `disagreement` is the share of rows that only one model gets right.
    """
    expected = _Expected.of(rows, disagreement, grouping)
    if expected is None or not disagreement:
        return None
    independent = floor(rows / grouping.design_effect)
    return minimum_detectable_effect(independent, disagreement * independent, expected.level(alpha, grouping))


@cache
def rows_for_difference(difference: float, disagreement: float, alpha: float, grouping: Grouping = ALONE) -> int | None:
    """Return the rows with which the exact paired test finds a true difference with 80%, if any do.

    Where the difference is larger than the disagreement, it is all of it.
    """
    share = max(disagreement, abs(difference))
    return (
        _fewest(lambda rows: _chance_of_difference(rows, abs(difference), share, alpha, grouping))
        if difference
        else None
    )


@cache
def rows_for_margin(margin: float, disagreement: float, confidence: float, grouping: Grouping = ALONE) -> int | None:
    """Return the rows with which a truly equal B is shown, with 80%, to be worse by less than `margin`, if any do."""
    if margin <= 0:
        return None
    return _fewest(lambda rows: _chance_of_margin(rows, margin, disagreement, confidence, grouping))


@cache
def rows_for_bound(bound: float, rate: float, confidence: float, grouping: Grouping = ALONE) -> int | None:
    """Return the rows with which a true `rate` is shown, with 80%, to lie on its side of `bound`, if any do.

    A rate below the bound must have the upper end of its interval below it, and a rate above it the lower end above it.
    """
    if rate == bound:
        return None
    if rate > bound:
        rate, bound = 1 - rate, 1 - bound

    def chance(rows: int) -> float:
        return _chance_of_bound(rows, bound, rate, confidence, grouping)

    return _lasting(chance, _fewest(chance))


@dataclass(frozen=True)
class _Expected:
    """The design effect and the degrees of freedom that the interval will use."""

    effect: float
    degrees: float

    @classmethod
    def of(cls, rows: float, share: float, grouping: Grouping) -> _Expected | None:
        """Return them where `share` of the rows differ from the rest; None for too few groups."""
        size, groups = grouping.rows_per_group, rows / grouping.rows_per_group
        if size <= 1:
            return cls(1.0, float("inf"))
        if groups < FEWEST_GROUPS:
            return None
        seen = groups * (1 - (1 - share) ** (size / grouping.design_effect))
        weight = UNSEEN_WEIGHT * exp(-groups * share)
        mixed = (seen * grouping.design_effect + weight * size) / (seen + weight)
        return cls(max(grouping.design_effect, mixed), min(groups - 1, max(2 * seen, FEWEST_DEGREES)))

    def quantile(self, confidence: float) -> float:
        return float(t.ppf((1 + confidence) / 2, self.degrees))

    def level(self, alpha: float, grouping: Grouping) -> float:
        """The level of a test on independent rows that is as strict."""
        return 2 * float(norm.sf(self.quantile(1 - alpha) * sqrt(self.effect / grouping.design_effect)))


def _chance_of_difference(rows: int, difference: float, disagreement: float, alpha: float, grouping: Grouping) -> float:
    """Return the power of the exact test."""
    expected, independent = _Expected.of(rows, disagreement, grouping), floor(rows / grouping.design_effect)
    if expected is None or not independent:
        return 0.0
    return power(independent, disagreement, difference, expected.level(alpha, grouping))


def _chance_of_bound(rows: int, bound: float, rate: float, confidence: float, grouping: Grouping) -> float:
    """Return the probability that Wilson's upper end is below the bound."""
    expected = _Expected.of(rows, rate, grouping)
    if expected is None:
        return 0.0
    highest = bound - expected.quantile(confidence) * sqrt(bound * (1 - bound) * expected.effect / rows)
    independent = max(1, floor(rows / grouping.design_effect))
    return float(binom.cdf(ceil(highest * independent) - 1, independent, rate))


def _chance_of_margin(rows: int, margin: float, disagreement: float, confidence: float, grouping: Grouping) -> float:
    """Return the probability that Tango's lower end is above minus the margin, for equal models."""
    expected = _Expected.of(rows, disagreement, grouping)
    if expected is None:
        return 0.0
    n = max(1, floor(rows / grouping.design_effect))
    either = np.arange(binom.ppf(_TAIL, n, disagreement), binom.isf(_TAIL, n, disagreement) + 1)[:, None]
    gained = np.arange(binom.ppf(_TAIL, either[-1], 0.5)[0] - len(either), either[-1, 0] + 1)[None, :]
    lost = either - gained
    v = -gained - lost - (2 * n - gained + lost) * margin
    w = lost * margin * (1 + margin)
    q = (np.sqrt(np.maximum(v * v - 8 * n * w, 0)) - v) / (4 * n)
    spread = np.sqrt(np.maximum(n * (2 * q - margin * (1 + margin)), 0))
    z = expected.quantile(confidence) * sqrt(expected.effect / grouping.design_effect)
    shown = (gained >= 0) & (lost >= 0) & (gained - lost + n * margin > z * spread)
    chance = binom.pmf(either, n, disagreement) * binom.pmf(gained, either, 0.5)
    return float((chance * shown).sum())


def _fewest(chance: Callable[[int], float]) -> int | None:
    """Return about the fewest rows with a chance of 80%; exact chances fluctuate slightly from row to row."""
    low, high = 0, 16
    while chance(high) < POWER:
        low, high = high, 2 * high
        if high > MOST_ROWS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= POWER else (middle, high)
    return high


def _lasting(chance: Callable[[int], float], rows: int | None) -> int | None:
    """Return from where on the chance stays at 80%, if `rows` is where it first gets there.

    The chance jumps up wherever one more row with the property is allowed, and falls until the next jump (Chernick &
    Liu, The American Statistician 56, 2002).
    """
    if rows is None:
        return None
    looked_at = range(rows, ceil(_SETTLED * rows) + 1, max(1, rows // 100))
    last = max((n for n in looked_at if chance(n) < POWER), default=None)
    return rows if last is None else next(n for n in range(last + 1, 2 * MOST_ROWS) if chance(n) >= POWER)
