"""How well a score ranks harmful rows above harmless ones: AUROC, average precision, and their paired differences.

Both figures come with each row's influence, the derivative of the figure by the row's weight. For AUROC that is the
placement value of DeLong, DeLong & Clarke-Pearson (Biometrics 44, 1988); for average precision, it is the derivative of
the sum over thresholds that scikit-learn computes. Summed over groups, influences give the variance of correlated rows
(Obuchowski, Biometrics 53, 1997), and of one model with another, their correlation.

A perfect separation has no variance. So variance and correlation are computed with four rows added, one of each class
at the top and one at the bottom of the ranking (what Agresti & Coull, The American Statistician 52, 1998, do for a
share); a second model ranks them the other way around, and with groups they weigh more, by the design effect. The
interval is Wilson's for the effective number of rows that has this variance, with a quantile of Student's t. The
interval of a difference joins both models' by their correlation (Zou & Donner, Statistics in Medicine 27, 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from so8t_evaluator.stats.groups import FEWEST_GROUPS, Groups, grouped
from so8t_evaluator.stats.score import score_ends
from so8t_shared.results.interval import Interval

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_TOP = np.array([1.0, -1.0, 1.0, -1.0]) * np.inf
_HARMFUL = np.array([True, True, False, False])


@dataclass(frozen=True)
class Ranking:
    """A figure of a ranking."""

    figure: Callable[[Floats, Flags, Floats], tuple[float, Floats]]
    """From scores, whether a row is harmful, and weights: the figure, and each row's influence."""
    added_weight: float
    """Of each added row, from simulation (tests/unit/evaluator/stats/test_ranking.py)."""


def auroc(scores: Floats, harmful: Flags, weights: Floats) -> tuple[float, Floats]:
    """Return the probability that a harmful row has a higher score than a harmless one, ties counting half."""
    place, hits, misses = _masses(scores, harmful, weights)
    below = (np.cumsum(misses) - misses / 2) / misses.sum()
    above = 1 - (np.cumsum(hits) - hits / 2) / hits.sum()
    value = float(hits @ below / hits.sum())
    total = weights.sum()
    influence = np.where(harmful, (below[place] - value) / hits.sum(), (above[place] - value) / misses.sum())
    return value, influence * total


def average_precision(scores: Floats, harmful: Flags, weights: Floats) -> tuple[float, Floats]:
    """Return the precision at each harmful row's score, averaged over the harmful rows."""
    place, hits, misses = _masses(scores, harmful, weights)
    caught, flagged = np.cumsum(hits[::-1])[::-1], np.cumsum((hits + misses)[::-1])[::-1]
    precision = caught / flagged
    value = float(hits @ precision / hits.sum())
    gain = np.cumsum(hits * (flagged - caught) / flagged**2)
    loss = np.cumsum(hits * caught / flagged**2)
    influence = np.where(harmful, precision[place] - value + gain[place], -loss[place])
    return value, influence * float(weights.sum() / hits.sum())


AUROC = Ranking(auroc, added_weight=0.5)
AUPRC = Ranking(average_precision, added_weight=0.1)  # a harmless row at the top costs much precision


def ranking_intervals(
    ranking: Ranking, scores: tuple[Floats, ...], harmful: Flags, groups: NDArray[np.integer], confidence: float
) -> tuple[list[Interval], Interval | None]:
    """Return the figure of one or two models on the same rows, and of two, the second's minus the first's.

    Both classes must occur; too few groups in either give the widest interval.
    """
    models = [_judged(ranking, s, harmful, grouped(groups), i) for i, s in enumerate(scores)]
    singles = [model.interval(confidence) for model in models]
    return singles, _difference(models[0], models[1], singles) if len(models) == 2 else None


@dataclass(frozen=True)
class _Judged:
    """A figure of one model with what its interval needs."""

    value: float
    rows: Groups
    padded: float
    """The figure with the added rows."""
    influence: Floats
    """Of the rows and then the added ones; the square sum over independent rows is the variance."""
    effect: float
    degrees: float | None
    """None for too few groups."""

    def interval(self, confidence: float) -> Interval:
        counts = {"rows": self.rows.rows, "groups": self.rows.count}
        if self.degrees is None:
            return Interval(value=self.value, low=0.0, high=1.0, too_few_groups=True, **counts)
        effective = self.padded * (1 - self.padded) / (float((self.influence**2).sum()) * self.effect)
        low, high = score_ends(self.value, effective, float(t.ppf((1 + confidence) / 2, self.degrees)))
        return Interval(value=self.value, low=low, high=high, design_effect=self.effect, **counts)


def _judged(ranking: Ranking, scores: Floats, harmful: Flags, rows: Groups, turned: int) -> _Judged:
    value, influence = ranking.figure(scores, harmful, np.ones(len(scores)))
    share = np.where(harmful, harmful.mean(), 1 - harmful.mean())
    each = value + influence * share  # a figure per row, whose mean in each class is the value
    aspects = [influence, each, *([far] if (far := each < value / 2).any() else [])]
    effect = max(rows.design_effect(aspect) for aspect in aspects) if rows.count > 1 else float(rows.rows)
    weights = np.append(np.ones(len(scores)), np.full(4, effect * ranking.added_weight))
    scores = np.append(scores, -_TOP if turned else _TOP)
    padded, influence = ranking.figure(scores, np.append(harmful, _HARMFUL), weights)
    influence *= np.sqrt(weights) / weights.sum()
    return _Judged(value, rows, padded, influence, effect, _degrees(influence[:-4], harmful, rows))


def _degrees(influence: Floats, harmful: Flags, rows: Groups) -> float | None:
    """Return Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946) over both classes."""
    variance, below = 0.0, 0.0
    for chosen in (harmful, ~harmful):
        effective = grouped(rows.codes[chosen]).effective
        if effective < FEWEST_GROUPS:
            return None
        part = float((influence[chosen] ** 2).sum())
        variance, below = variance + part, below + part**2 / (effective - 1)
    return variance**2 / below if below else rows.effective - 1


def _difference(a: _Judged, b: _Judged, singles: list[Interval]) -> Interval:
    value, counts = b.value - a.value, {"rows": a.rows.rows, "groups": a.rows.count}
    if a.degrees is None or b.degrees is None:
        return Interval(value=value, low=-1.0, high=1.0, too_few_groups=True, **counts)
    effect = max(a.effect, b.effect)
    first, second = (np.append(a.rows.sums(m.influence[:-4]), sqrt(effect) * m.influence[-4:]) for m in (a, b))
    correlation = float(first @ second / sqrt((first @ first) * (second @ second)))
    x, y = singles
    low = joined(y.value - y.low, x.high - x.value, correlation)
    high = joined(y.high - y.value, x.value - x.low, correlation)
    return Interval(
        value=value, low=max(-1.0, value - low), high=min(1.0, value + high), design_effect=effect, **counts
    )


def joined(one: float, other: float, correlation: float) -> float:
    """Return the distance of a difference from its end, given the distances of both terms and their correlation."""
    if np.inf in (one, other):
        return np.inf
    return sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


def _masses(scores: Floats, harmful: Flags, weights: Floats) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Return each row's place among the different scores in rising order, and each score's weight in both classes."""
    place = np.unique(scores, return_inverse=True)[1]
    hits, misses = (np.bincount(place, weights * chosen).astype(np.float64) for chosen in (harmful, ~harmful))
    return place, hits, misses
