"""Two models on the same rows: a test and an interval of the difference that allow for groups.

The test flips the signs of whole groups, all 2^G ways at once (Fisher, The Design of Experiments, 1935): under equal
models, a group's sum is as likely to be positive as negative. Where every row stands alone, this is the exact McNemar
test. The mid-p counts half the probability of the observed difference (Lancaster, JASA 56, 1961; Fagerland, Lydersen &
Laake, BMC Medical Research Methodology 13, 2013). Flipping trusts that the sums are symmetric; where one model loses
whole groups and the other single rows, they are not. So with groups, p is at least that of McNemar's statistic divided
by the root of the design effect, with Student's t (Durkalski et al., Statistics in Medicine 22, 2003).

The interval is Tango's score interval; with groups, for the effective number of rows and a quantile of Student's t.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, t

from so8t_evaluator.stats.anytime import Pool, anytime_difference, anytime_p
from so8t_evaluator.stats.groups import Groups, grouped
from so8t_evaluator.stats.mcnemar import mcnemar_exact
from so8t_evaluator.stats.tango import score_ends, score_interval
from so8t_shared.results.interval import Interval

Kind = Literal["exact", "mid_p"] | Pool
"""With a pool, p and interval hold wherever the asking ends, and groups are places in the order of asking."""

_DIRECTLY = 10**7
"""Products that take less time than a transform's import."""


def paired_p(difference: NDArray[np.int8], groups: NDArray[np.integer], kind: Kind = "exact") -> float:
    """Return the two-sided p that both models are equally often right.

    `difference` has 1 for a row that only B got right, -1 for one that only A got right, else 0. Too few groups give 1.

    Raises:
        ValueError: there is no row.
    """
    if isinstance(kind, Pool):
        return anytime_p(difference, groups, kind)
    rows = grouped(groups)
    if rows.too_few:
        return 1.0
    if rows.alone and kind == "exact":
        return mcnemar_exact(int((difference < 0).sum()), int((difference > 0).sum()))
    flipped = sign_flip_p(rows.sums(difference).astype(np.int64), kind)
    return flipped if rows.alone else max(flipped, _robust_p(difference, rows))


def paired_interval(
    difference: NDArray[np.int8], groups: NDArray[np.integer], confidence: float, pool: Pool | None = None
) -> Interval:
    """Return the mean of `difference` (see `paired_p`), B minus A; too few groups give -1 to 1.

    Raises:
        ValueError: there is no row.
    """
    if pool:
        return anytime_difference(difference, groups, pool, confidence)
    rows = grouped(groups)
    counts = {"rows": rows.rows, "groups": rows.count}
    only_a, only_b = int((difference < 0).sum()), int((difference > 0).sum())
    if rows.alone:
        found = score_interval(only_a, only_b, rows.rows, confidence)
        return found.model_copy(update={**counts, "design_effect": 1.0})
    value = (only_b - only_a) / rows.rows
    if rows.too_few:
        return Interval(value=value, low=-1.0, high=1.0, too_few_groups=True, **counts)
    effect = rows.design_effect(difference)
    low, high = score_ends(only_a / effect, only_b / effect, rows.rows / effect, rows.quantile(difference, confidence))
    # losses in single rows show that groups are not all alike; they must not do better than no loss at all
    none = np.zeros_like(difference)
    ends = score_ends(0.0, 0.0, rows.rows / rows.design_effect(none), rows.quantile(none, confidence))
    low, high = min(low, ends[0]) if value <= 0 else low, max(high, ends[1]) if value >= 0 else high
    return Interval(value=value, low=low, high=high, design_effect=effect, **counts)


def _robust_p(difference: NDArray[np.int8], rows: Groups) -> float:
    if not difference.any():
        return 1.0
    spread = sqrt(np.count_nonzero(difference) * rows.design_effect(difference))
    return float(2 * t.sf(abs(int(difference.sum(dtype=np.int64))) / spread, rows.degrees_of_freedom(difference)))


def sign_flip_p(sums: NDArray[np.int64], kind: Kind) -> float:
    """Return the probability of a sum at least as far from 0, over all signs of the groups' sums."""
    observed, sizes = abs(int(sums.sum())), np.abs(sums[sums != 0])
    chance = np.ones(1)  # chance[i]: of the sum 2 i minus all sizes
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        spread = np.zeros(count * size + 1)
        spread[::size] = _coins(int(count))
        chance = _convolved(chance, spread)
    distance = np.abs(2 * np.arange(len(chance)) - int(sizes.sum()))
    beyond, at = float(chance[distance > observed].sum()), float(chance[distance == observed].sum())
    return min(1.0, beyond + (at if kind == "exact" else at / 2))


@lru_cache(256)
def _coins(count: int) -> NDArray[np.float64]:
    """Return the distribution of the number of heads; most counts are small and come again."""
    found: NDArray[np.float64] = binom.pmf(np.arange(count + 1), count, 0.5)
    return found


def _convolved(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distribution of a sum."""
    if len(one) * len(other) <= _DIRECTLY:
        return np.convolve(one, other)
    from scipy.signal import fftconvolve  # as slow to import as the rest of a conclusion

    found: NDArray[np.float64] = np.maximum(fftconvolve(one, other), 0)  # it may fall below by rounding
    return found
