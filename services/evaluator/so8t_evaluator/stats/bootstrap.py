"""Macro-F1 of one model, and its difference between two on the same rows, by a cluster bootstrap with BCa ends.

Whole groups are drawn with replacement (Davison & Hinkley, Bootstrap Methods and their Application, 1997, 3.8). Groups
with the same table of answers are exchangeable, so that one multinomial draw of the different tables gives all
resamples at once. The ends are bias-corrected and accelerated (Efron, JASA 82, 1987), with Student's quantile instead
of the normal one, as percentiles are too narrow for few groups (Hesterberg, The American Statistician 69, 2015).

Answers that are all right, or the same for both models, would leave no width. So, like the two rows that Agresti & Min
add to a paired table (Statistics in Medicine 24, 2005), a prior of one row is drawn along, shared by the classes that
occur: half of it right and half wrong (for two models: only B, or only A right). Two rows cover too much below 100 rows
by simulation. With groups, the prior row counts as many rows as the design effect.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from so8t_evaluator.stats.confusion import COLUMNS
from so8t_evaluator.stats.groups import Groups, grouped
from so8t_shared.f1 import macro_f1
from so8t_shared.labels import LABELS
from so8t_shared.results.interval import Interval

Floats = NDArray[np.float64]

_PRIOR_ROWS = 1.0
_CHUNK = 1000
"""Resamples at a time, which bounds the memory."""


def macro_f1_interval(
    gold: NDArray[np.integer],
    said: NDArray[np.integer],
    groups: NDArray[np.integer],
    *,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    """Return macro-F1 with its interval; `gold` and `said` are places in COLUMNS, and too few groups give 0 to 1.

    Raises:
        ValueError: there is no row.
    """
    rows, cells = grouped(groups), gold.astype(np.int64) * len(COLUMNS) + said
    right = gold == said
    prior = np.zeros((2 * len(LABELS), len(LABELS), len(COLUMNS)))
    for i in range(len(LABELS)):
        prior[2 * i, i, i] = 1
        prior[2 * i + 1, i] = _elsewhere(i)
    return _interval(macro_f1, rows, cells, prior, right, 0.0, resamples, confidence, rng)


def macro_f1_difference(
    gold: NDArray[np.integer],
    a: NDArray[np.integer],
    b: NDArray[np.integer],
    groups: NDArray[np.integer],
    *,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    """Return macro-F1 of B minus macro-F1 of A with its interval, as above; too few groups give -1 to 1.

    Raises:
        ValueError: there is no row.
    """
    width = len(COLUMNS)
    rows = grouped(groups)
    cells = (gold.astype(np.int64) * width + a) * width + b
    gained = (b == gold).astype(np.int8) - (a == gold)
    prior = np.zeros((2 * len(LABELS), len(LABELS), width, width))
    for i in range(len(LABELS)):
        prior[2 * i, i, :, i] = _elsewhere(i)
        prior[2 * i + 1, i, i] = _elsewhere(i)
    return _interval(_difference, rows, cells, prior, gained, -1.0, resamples, confidence, rng)


def _difference(tables: NDArray[np.number]) -> Floats:
    return macro_f1(tables.sum(axis=-2)) - macro_f1(tables.sum(axis=-1))


def _interval(
    statistic: Callable[[NDArray[np.number]], Floats],
    rows: Groups,
    cells: NDArray[np.int64],
    prior: Floats,
    outcome: NDArray[np.number | np.bool_],
    lowest: float,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    shape, size = prior.shape[1:], int(np.prod(prior.shape[1:]))
    table = np.bincount(cells, minlength=size)
    value = float(statistic(table.reshape(shape)))
    counts = {"rows": rows.rows, "groups": rows.count}
    if rows.too_few or rows.rows == 1:
        return Interval(value=value, low=lowest, high=1.0, too_few_groups=True, **counts)
    one_more = statistic((table + np.eye(size)).reshape(-1, *shape)) - value
    effect = max(rows.design_effect(outcome), rows.design_effect(one_more[cells]))
    tables, weights = _with_prior(rows, cells, prior.reshape(len(prior), size), effect)
    drawn = _draw(statistic, tables, weights, rows.count, shape, resamples, rng)
    center = float(statistic((weights @ tables).reshape(shape)))
    levels = _bca_levels(
        float((drawn < center).mean() + (drawn <= center).mean()) / 2,
        _acceleration(statistic((weights @ tables - tables).reshape(-1, *shape)), weights),
        rows.quantile(outcome, confidence) * np.sqrt(rows.count / (rows.count - 1)),
        resamples,
    )
    low, high = np.quantile(drawn, levels)
    return Interval(
        value=value,
        low=max(lowest, min(value, float(low))),
        high=min(1.0, max(value, float(high))),
        design_effect=effect,
        **counts,
    )


def _with_prior(rows: Groups, cells: NDArray[np.int64], prior: Floats, effect: float) -> tuple[Floats, Floats]:
    """Return the different tables of a group and how often each occurs; the prior's belong to classes that occur."""
    size = prior.shape[1]
    each = np.bincount(rows.codes * size + cells, minlength=rows.count * size).reshape(rows.count, size)
    used = np.flatnonzero(each.any(axis=0) | prior.any(axis=0))
    different, counts = np.unique(each[:, used], axis=0, return_counts=True)
    tables = np.zeros((len(different), size))
    tables[:, used] = different
    occurs = each.sum(axis=0).reshape(len(LABELS), -1).any(axis=1)
    prior = prior[np.repeat(occurs, 2)] * effect
    weights = np.concatenate([counts, np.full(len(prior), _PRIOR_ROWS / len(prior))])
    return np.concatenate([tables, prior]), weights


def _draw(
    statistic: Callable[[NDArray[np.number]], Floats],
    tables: Floats,
    weights: Floats,
    groups: int,
    shape: tuple[int, ...],
    resamples: int,
    rng: np.random.Generator,
) -> Floats:
    used = np.flatnonzero(tables.any(axis=0))
    found = []
    for start in range(0, resamples, _CHUNK):
        times = rng.multinomial(groups, weights / weights.sum(), size=min(_CHUNK, resamples - start))
        sums = np.zeros((len(times), tables.shape[1]))
        sums[:, used] = times.astype(np.float64) @ tables[:, used]
        found.append(statistic(sums.reshape(-1, *shape)))
    return np.concatenate(found)


def _acceleration(without: Floats, weights: Floats) -> float:
    """Return the skewness of the jackknife values over 6; `without` leaves out one group of each table."""
    away = np.average(without, weights=weights) - without
    square = float((weights * away**2).sum())
    return float((weights * away**3).sum()) / (6 * square**1.5) if square else 0.0


def _bca_levels(below: float, acceleration: float, z: float, resamples: int) -> list[float]:
    bias = float(norm.ppf(min(max(below, 1 / (resamples + 1)), resamples / (resamples + 1))))
    ends = [bias - z, bias + z]
    return [float(norm.cdf(bias + end / (1 - acceleration * end))) for end in ends]


def _elsewhere(label: int) -> Floats:
    """Return a wrong answer, spread over all columns but the right one."""
    return np.where(np.arange(len(COLUMNS)) == label, 0.0, 1 / (len(COLUMNS) - 1))
