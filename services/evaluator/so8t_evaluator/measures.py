"""Metrics that are not a share of rows; each function is a `Measure` named by the table of metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.outcomes import UNDEFINED, Measured, Outcomes
from so8t_evaluator.stats.bootstrap import macro_f1_difference, macro_f1_interval
from so8t_evaluator.stats.confusion import COLUMNS
from so8t_evaluator.stats.mean import mean_interval
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.interval import Interval

Values = NDArray[np.float64]


def macro_f1(a: Outcomes, b: Outcomes, settings: AbTest) -> Measured:
    """Mean F1 over the classes, by a cluster bootstrap."""
    return Measured(
        macro_f1_interval(a.gold, a.said, a.groups, **_bootstrap(settings)),
        macro_f1_interval(b.gold, b.said, b.groups, **_bootstrap(settings)),
        macro_f1_gain(a, b, settings),
    )


def macro_f1_gain(a: Outcomes, b: Outcomes, settings: AbTest) -> Interval:
    """Macro-F1 of B minus that of A."""
    return macro_f1_difference(a.gold, a.said, b.said, a.groups, **_bootstrap(settings))


def _bootstrap(settings: AbTest) -> dict[str, Any]:
    return {
        "resamples": settings.bootstrap_resamples,
        "confidence": settings.confidence,
        "rng": np.random.default_rng(settings.seed),
    }


def kappa(a: Outcomes, b: Outcomes, settings: AbTest) -> Measured:
    """Cohen's kappa with the right classes; undefined where chance alone would agree on every row.

    kappa = (p_o - p_e) / (1 - p_e) (Cohen, Educational and Psychological Measurement 20, 1960); the interval is that of
    the linearized figure (Fleiss, Cohen & Everitt, Psychological Bulletin 72, 1969), which allows for groups.
    """
    values_a, values_b = _linear_kappa(a), _linear_kappa(b)

    def interval(values: Values, bound: float) -> Interval:
        return mean_interval(values, a.groups, -bound, bound, settings.confidence)

    return Measured(
        None if values_a is None else interval(values_a, 1.0),
        None if values_b is None else interval(values_b, 1.0),
        None if values_a is None or values_b is None else interval(values_b - values_a, 2.0),
    )


def _linear_kappa(rows: Outcomes) -> Values | None:
    """Return a figure per row whose mean is kappa and whose variance is that of kappa."""
    gold = np.bincount(rows.gold, minlength=len(COLUMNS)) / len(rows)
    said = np.bincount(rows.said, minlength=len(COLUMNS)) / len(rows)
    agreed, chance = float(rows.right.mean()), float(gold @ said)
    if chance == 1:
        return None
    each = rows.right / (1 - chance) - (1 - agreed) / (1 - chance) ** 2 * (said[rows.gold] + gold[rows.said])
    found: Values = each - each.mean() + (agreed - chance) / (1 - chance)
    return found


def expected_cost(a: Outcomes, b: Outcomes, settings: AbTest) -> Measured:
    """Mean cost of an answer under `ab_test.costs`, at `ab_test.prevalence` or on the tested mix of classes."""
    table = [[settings.costs[gold][said] for said in (*LABELS, "ESCALATION")] for gold in LABELS]
    costs = np.array(table, np.float64)  # an unread answer has the last column
    return _means(lambda rows: costs[rows.gold, rows.said], float(costs.min()), float(costs.max()), a, b, settings)


def weighted_accuracy(a: Outcomes, b: Outcomes, settings: AbTest) -> Measured:
    """Accuracy where the classes are as frequent as `ab_test.prevalence` says; undefined without it."""
    if settings.prevalence is None:
        return UNDEFINED
    return _means(lambda rows: rows.right.astype(np.float64), 0.0, 1.0, a, b, settings)


def _means(
    value_of: Callable[[Outcomes], Values], low: float, high: float, a: Outcomes, b: Outcomes, settings: AbTest
) -> Measured:
    """Means of a figure per row that lies between `low` and `high`."""
    values_a, values_b, span = value_of(a), value_of(b), high - low
    return Measured(
        _mean(values_a, a, low, high, settings),
        _mean(values_b, b, low, high, settings),
        _mean(values_b - values_a, b, -span, span, settings),
    )


def _mean(values: Values, rows: Outcomes, low: float, high: float, settings: AbTest) -> Interval | None:
    """Return the mean at the prevalence; None if a class with a weight has no row.

    The interval is that of the linearized figure, the mean plus each row's weighted distance from the mean of its class
    (Särndal, Swensson & Wretman, Model Assisted Survey Sampling, 1992, chapter 7.6 on poststratification).
    """
    if settings.prevalence is not None:
        weights = np.array([settings.prevalence.get(label, 0.0) for label in LABELS])
        counts = np.bincount(rows.gold, minlength=len(LABELS))
        if ((weights > 0) & (counts == 0)).any():
            return None
        weights /= weights.sum()
        means = np.bincount(rows.gold, weights=values, minlength=len(LABELS)) / np.maximum(counts, 1)
        factor = weights[rows.gold] * len(rows) / counts[rows.gold]
        values = float((weights * means).sum()) + factor * (values - means[rows.gold])
    return mean_interval(values, rows.groups, low, high, settings.confidence)
