"""The false-positive rate at a recall: how many harmless rows are flagged at the score that catches most harmful ones.

Two things are uncertain, from different rows: where the threshold lies (an order statistic of the harmful rows' scores;
David & Nagaraja, Order Statistics, 2003, 7.1), and how many harmless rows are beyond it (`share_interval`, for a
difference `paired_interval`). Their distances are added in squares (Zou & Donner, Statistics in Medicine 27, 2008). If
a group has rows of both kinds, their scores move together and the interval is too wide rather than too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from so8t_evaluator.stats.groups import Groups, grouped
from so8t_evaluator.stats.paired import paired_interval
from so8t_evaluator.stats.ranking import joined
from so8t_evaluator.stats.share import share_interval
from so8t_shared.results.interval import Interval

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.integer]


def false_positive_rates(
    scores: tuple[Floats, ...], harmful: Flags, groups: Codes, recall: float, confidence: float
) -> tuple[list[Interval], Interval | None]:
    """Return the rate of one or two models on the same rows, and of two, the second's minus the first's.

    Both classes must occur. The lowest threshold that is possible must lie within the data: at 95% recall and 95%
    confidence this takes 72 independent harmful rows. With fewer, the interval is the widest possible.
    """
    counts = {"rows": len(harmful), "groups": grouped(groups).count}
    caught, harmless = grouped(groups[harmful]), groups[~harmful]
    cuts = [_cut(s[harmful], s[~harmful], caught, recall, confidence) for s in scores]
    shares = [share_interval(cut.flagged, harmless, confidence) for cut in cuts]
    singles = [_widened(share, cut.down, cut.up, 0.0, counts) for share, cut in zip(shares, cuts, strict=True)]
    if len(cuts) < 2:
        return singles, None
    a, b = cuts
    change = paired_interval(b.flagged.astype(np.int8) - a.flagged, harmless, confidence)
    alike = _correlation(caught.sums(a.missed - a.missed.mean()), caught.sums(b.missed - b.missed.mean()))
    down, up = joined(b.down, a.up, alike), joined(b.up, a.down, alike)
    return singles, _widened(change, down, up, -1.0, counts)


@dataclass(frozen=True)
class _Cut:
    """The threshold of one model."""

    flagged: Flags
    """Of the harmless rows."""
    missed: Flags
    """Of the harmful rows."""
    down: float
    """How much lower the rate is at the highest possible threshold."""
    up: float
    """How much higher it is at the lowest one; infinite if that lies beyond the data."""


def _cut(caught: Floats, harmless: Floats, rows: Groups, recall: float, confidence: float) -> _Cut:
    ranked, n = np.sort(caught), len(caught)
    at = min(n - 1, floor((1 - recall) * n + 1e-9))  # a product may fall just short of a whole number
    missed, flagged = caught < ranked[at], harmless >= ranked[at]
    effect = 1.0 if rows.alone else rows.design_effect(missed) if rows.count > 1 else float(n)
    independent = floor(n / effect)
    fewest, most = binom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], independent, 1 - recall) / independent * n
    rate, least = flagged.mean(), (harmless >= ranked[min(n - 1, int(most))]).mean()
    greatest = (harmless >= ranked[int(fewest) - 1]).mean() if fewest >= 1 and not rows.too_few else np.inf
    return _Cut(flagged, missed, float(max(0.0, rate - least)), float(max(0.0, greatest - rate)))


def _widened(found: Interval, down: float, up: float, lowest: float, counts: dict[str, int]) -> Interval:
    low = found.value - joined(found.value - found.low, down, 0.0)
    high = found.value + joined(found.high - found.value, up, 0.0)
    widest = found.too_few_groups or not (np.isfinite(low) and np.isfinite(high))
    ends = {"low": lowest, "high": 1.0} if widest else {"low": max(lowest, low), "high": min(1.0, high)}
    effect = None if widest else found.design_effect
    return Interval(value=found.value, **ends, design_effect=effect, too_few_groups=widest, **counts)


def _correlation(a: Floats, b: Floats) -> float:
    scale = sqrt(float((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0
