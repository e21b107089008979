"""Evidence that may be looked at after every group of rows: the asking may end at any time because of what it shows.

The mean of values in 0..1 is tested by betting (Waudby-Smith & Ramdas, JRSS B 86, 2024): a fair bet against "the mean
is at most m" multiplies its capital by 1 + k (x - c) / (m + c) with each group, 0 < k < 1. If the statement is true,
the expected capital is at most 1 whenever the betting ends (Ville, 1939), so a capital of 200 is seen in at most one
run of 200. The mean over fixed k (Cover, Mathematical Finance 1, 1991) is such a capital too, and the interval holds
the means against which less than 2 / alpha was won in either direction: a confidence sequence.

x is the group's sum of (value - m), over the rows of the largest group: so the mean is that of rows, as in
`stats.paired`, though groups are the unit. c allows for a pool of N groups that are asked in random order: where the
first t lie below m, the others may be as much above it, c = max(0, -sum of x / (N - t)) on average. So the statement
may be about the rows that there are, or about the population that the groups come from. (Without c, this is the bet
for the population alone; with the usual correction for drawing without replacement, which may be negative, it would be
for the rows alone, and prove with certainty what chance put into them.)

No scipy here: the stage that asks uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from so8t_shared.results.interval import Interval

Floats = NDArray[np.float64]

BETS: Floats = (1 - np.cos(np.pi * (np.arange(24) + 0.5) / 24)) / 2
"""Shares of the capital at stake: close to each other near 0 and 1, for small effects and for large ones."""
_EDGE, _HALVINGS = 1e-9, 24


@dataclass(frozen=True)
class Pool:
    """The rows that may be asked."""

    groups: int
    """Number of groups, N."""
    largest: int
    """Rows of the largest group."""


def log_capital(sums: Floats, sizes: Floats, mean: float | Floats, groups: int) -> Floats:
    """Return [..., t], the logarithm of what was won against "the mean is at most `mean`" after each group.

    `sums` and `sizes` are [..., t]: each group's sum of values in 0..1 and number of rows, both over the rows of the
    largest group, in the order of asking; a group without such rows has 0. The mean is within 0..1, not 0.
    """
    gain = sums - mean * sizes
    before = np.cumsum(gain, axis=-1) - gain
    owed = np.maximum(0.0, -before / (groups - np.arange(gain.shape[-1])))
    each = np.log1p(BETS * ((gain - owed) / (mean + owed))[..., None])
    return _log_mean(np.cumsum(each, axis=-2))


def _log_mean(logs: Floats) -> Floats:
    """Return the logarithm of the mean of exp over the last axis."""
    top = logs.max(axis=-1, keepdims=True)
    found: Floats = top[..., 0] + np.log(np.exp(logs - top).mean(axis=-1))
    return found


@dataclass(frozen=True)
class Evidence:
    """Values in 0..1 of rows asked so far, by group."""

    sums: Floats
    sizes: Floats
    groups: int

    @classmethod
    def of(cls, values: Floats, groups: NDArray[np.integer], pool: Pool) -> Evidence:
        """`groups` are the places of the rows' groups in the order of asking, from 0."""
        sums = np.bincount(groups, weights=values) / pool.largest
        return cls(sums, np.bincount(groups) / pool.largest, pool.groups)

    def above(self, mean: float) -> float:
        """Return the logarithm of what was won against "the mean is at most `mean`"."""
        return float(log_capital(self.sums, self.sizes, max(mean, _EDGE), self.groups)[-1])

    @property
    def mirrored(self) -> Evidence:
        """The same for 1 minus each value."""
        return Evidence(self.sizes - self.sums, self.sizes, self.groups)

    def lower_end(self, log_threshold: float) -> float:
        """Return the largest mean, rounded down, against which the threshold was reached; 0 if there is none.

        The capital falls as the mean grows.
        """
        low, high = 0.0, float(self.sums.sum() / self.sizes.sum())
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.above(middle) > log_threshold else (low, middle)
        return low


def e_values(difference: NDArray[np.int8], groups: NDArray[np.integer], pool: Pool) -> tuple[float, float]:
    """Return what was won against "B is not better" and against "B is not worse".

    `difference` is as in `stats.paired.paired_p`.
    """
    evidence = Evidence.of((1.0 + difference) / 2, groups, pool)
    return float(np.exp(evidence.above(0.5))), float(np.exp(evidence.mirrored.above(0.5)))


def anytime_p(difference: NDArray[np.int8], groups: NDArray[np.integer], pool: Pool) -> float:
    """Return a two-sided p that stays valid wherever the asking ends: 2 over the larger e-value."""
    return min(1.0, 2 / max(e_values(difference, groups, pool)))


def anytime_share(hit: NDArray[np.bool_], groups: NDArray[np.integer], pool: Pool, confidence: float) -> Interval:
    """Return the share of rows that are `hit`, with the ends of its confidence sequence."""
    return _interval(hit.astype(np.float64), groups, pool, confidence)


def anytime_difference(
    difference: NDArray[np.int8], groups: NDArray[np.integer], pool: Pool, confidence: float
) -> Interval:
    """Return the mean of `difference`, B minus A, with the ends of its confidence sequence."""
    found = _interval((1.0 + difference) / 2, groups, pool, confidence)
    ends = {name: 2 * getattr(found, name) - 1 for name in ("value", "low", "high")}
    return found.model_copy(update=ends)


def anytime_excess_p(share: float, effective_rows: float, bound: float) -> float:
    """Return a one-sided p that a share is at most `bound`, valid wherever the asking ends.

    `effective_rows` are the rows over those of the pool's largest group. What is won by betting on whole groups is at
    least this, by Jensen's inequality (c is left out: it is for the population).
    """
    hits, bound = share * effective_rows, max(bound, _EDGE)
    won = hits * np.log1p(BETS * (1 - bound) / bound) + (effective_rows - hits) * np.log1p(-BETS)
    return min(1.0, float(np.exp(-_log_mean(won))))


@dataclass(frozen=True)
class Levels:
    """The level of all tests together, split between those that may end the asking and the one at its end.

    At most a fifth of alpha is lost to wrong early ends, and at most the rest to the usual test of all rows, which thus
    finds nearly as much as without early looks.
    """

    early: float
    """Confidence of what an early end rests on."""
    late: float
    """Confidence of the usual intervals once all rows are asked."""

    @classmethod
    def of(cls, confidence: float) -> Levels:
        """Split `confidence`; rounded, since floating point shows."""
        alpha = 1 - confidence
        return cls(round(1 - alpha / 5, 12), round(1 - 4 * alpha / 5, 12))


def _interval(values: Floats, groups: NDArray[np.integer], pool: Pool, confidence: float) -> Interval:
    if not len(values):
        raise ValueError("a mean is undefined for n = 0")
    evidence, threshold = Evidence.of(values, groups, pool), float(np.log(2 / (1 - confidence)))
    return Interval(
        value=float(values.mean()),
        low=evidence.lower_end(threshold),
        high=1 - evidence.mirrored.lower_end(threshold),
        rows=len(values),
        groups=len(np.unique(groups)),
    )
