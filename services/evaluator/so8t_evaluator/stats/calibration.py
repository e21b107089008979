"""Whether probabilities are as high as the share of right answers: bins, and the expected calibration error.

The error (Naeini, Cooper & Hauskrecht, AAAI 2015) is the distance of mean confidence from the share of right answers,
averaged over bins of equally many rows (Nguyen & O'Connor, EMNLP 2015): at most 15 bins, of at least 20 rows each. In
its usual form it is too high where bins are small, as chance alone makes distances: 15 bins find about 0.2 in 60 rows
of a perfectly calibrated model. Here it is the error at which the usual form is expected to be what was found, and its
interval has all errors that make it likely. This takes the right answers of a bin as binomial, for the effective number
of rows, and the distances as proportional to those found.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from so8t_evaluator.stats.groups import Groups, grouped
from so8t_evaluator.stats.ranking import joined
from so8t_shared.results.interval import Interval

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_BINS = 15
ROWS_PER_BIN = 20
_ERRORS = np.append(0.0, np.geomspace(1e-5, 1.0, 600))
"""At which the expectation is computed; between them, it is interpolated."""
_ADDED_GROUPS = 4
"""On which two models do not agree, so that equal answers leave a width."""


def bins_of(confidences: Floats) -> NDArray[np.intp]:
    """Return each row's bin, from 0; rows with the same confidence share one."""
    ranked = np.sort(confidences)
    count = int(np.clip(len(ranked) // ROWS_PER_BIN, 1, MOST_BINS))
    edges = ranked[len(ranked) * np.arange(1, count) // count]
    return np.unique(np.searchsorted(edges, confidences, side="right"), return_inverse=True)[1]


def binned_ece(confidences: Floats, right: Flags) -> float:
    """Return the expected calibration error as it is usually reported: 15 bins of equal width, with chance in it.

    Guo, Pleiss, Sun & Weinberger, ICML 2017, equations 2 to 5: bin m holds the confidences in ((m - 1)/15, m/15].
    """
    bins = np.clip(np.ceil(confidences * MOST_BINS).astype(np.intp) - 1, 0, MOST_BINS - 1)
    return float(np.abs(np.bincount(bins, confidences - right)).sum()) / len(confidences)


def calibration_errors(
    models: list[tuple[Floats, Flags]], groups: NDArray[np.integer], confidence: float
) -> tuple[list[Interval], Interval | None]:
    """Return the error of one or two models on the same rows, and of two, the second's minus the first's.

    A model is each row's confidence and whether its answer is right. Too few groups give the widest interval.
    """
    rows = grouped(groups)
    found = [_distances(confidences, right, rows) for confidences, right in models]
    singles = [_interval(distances, rows, confidence) for distances in found]
    return singles, _difference(found, singles, rows) if len(found) == 2 else None


@dataclass(frozen=True)
class _Distances:
    """Confidence minus the share of right answers in each bin."""

    confidence: Floats
    """Mean of each bin."""
    found: Floats
    sizes: NDArray[np.intp]
    signed: Floats
    """A distance per row, whose mean is the usual form of the error."""
    effect: float

    @property
    def profile(self) -> Floats:
        """How the error is spread over the bins; chance may have hidden some of it, rather too much confidence."""
        share = ((self.confidence - self.found) * self.sizes + 1) / (self.sizes + 2)
        errors = np.sqrt(self.effect * share * (1 - share) / self.sizes)
        return np.where(self.found < -errors, -1, 1) * np.hypot(self.found, errors)

    def mean(self, of_bins: Floats) -> float:
        """Return the mean of a figure of each bin over the rows."""
        return float(of_bins @ self.sizes / self.sizes.sum())

    def expected(self, scale: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the usual form if the distances were `scale` [k] times the profile.

        Of a bin's rows as many are right as a binomial says. E|c - X/m| = 2 (c F(k; m) - p F(k - 1; m - 1)) - (c - p)
        with k the whole part of c m.
        """
        c, m = self.confidence, np.maximum(1, np.rint(self.sizes / self.effect))
        p = np.clip(c - scale[:, None] * self.profile, 0, 1)
        k = np.floor(c * m)
        mean = 2 * (c * binom.cdf(k, m, p) - p * binom.cdf(k - 1, m - 1, p)) - (c - p)
        variance = np.maximum((c - p) ** 2 + p * (1 - p) / m - mean**2, 0)
        weights = self.sizes / self.sizes.sum()
        return mean @ weights, np.sqrt(variance @ weights**2)


def _distances(confidences: Floats, right: Flags, rows: Groups) -> _Distances:
    bins, each = bins_of(confidences), confidences - right
    sizes = np.bincount(bins)
    found = np.bincount(bins, each) / sizes
    effect = max(rows.design_effect(each), rows.design_effect(right)) if rows.count > 1 else float(rows.rows)
    signed = np.where(found < 0, -1, 1)[bins] * each
    return _Distances(np.bincount(bins, confidences) / sizes, found, sizes, signed, effect)


def _interval(d: _Distances, rows: Groups, confidence: float) -> Interval:
    mean, deviation = d.expected(_ERRORS / d.mean(np.abs(d.profile)))
    above, counts = mean - d.mean(np.abs(d.found)), {"rows": rows.rows, "groups": rows.count}
    value = _root(above, np.flatnonzero(above >= 0)[:1])
    if rows.too_few or rows.count == 1:
        return Interval(value=value, low=0.0, high=1.0, too_few_groups=True, **counts)
    margin = rows.quantile(d.signed, confidence) * deviation
    low = _root(above + margin, np.flatnonzero(above + margin >= 0)[:1])
    high = _root(above - margin, np.flatnonzero(above - margin < 0)[-1:] + 1)
    return Interval(value=value, low=min(low, value), high=max(high, value), design_effect=d.effect, **counts)


def _root(curve: Floats, place: NDArray[np.intp]) -> float:
    """Return the error at which `curve`, given at _ERRORS, rises through 0 before `place`, which may be none."""
    end = int(place[0]) if len(place) else 0 if curve[0] >= 0 else len(_ERRORS)
    if not 0 < end < len(_ERRORS):
        return 1.0 if end else 0.0
    start = end - 1
    part = curve[start] / (curve[start] - curve[end])
    return float(_ERRORS[start] + part * (_ERRORS[end] - _ERRORS[start]))


def _difference(found: list[_Distances], singles: list[Interval], rows: Groups) -> Interval:
    """Join both intervals by the correlation of the signed distances (Zou & Donner, Statistics in Medicine 27, 2008).

    Of either, the farther end counts: the figure of a calibrated model ends at 0 and is rather above the truth.
    """
    a, b = singles
    value, counts = b.value - a.value, {"rows": rows.rows, "groups": rows.count}
    if a.too_few_groups:
        return Interval(value=value, low=-1.0, high=1.0, too_few_groups=True, **counts)
    x, y = (rows.sums(d.signed - d.signed.mean()) for d in found)
    scale = sqrt(float((x @ x) * (y @ y)))
    alike = float(x @ y) / scale * rows.count / (rows.count + _ADDED_GROUPS) if scale else 0.0
    one, other = (max(model.high - model.value, model.value - model.low) for model in singles)
    half = joined(one, other, alike)
    effect, low, high = max(d.effect for d in found), max(-1.0, value - half), min(1.0, value + half)
    return Interval(value=value, low=low, high=high, design_effect=effect, **counts)
