"""Paired percentile bootstrap of the difference between two models on the same rows.

Rows are exchangeable given (gold, A's answer, B's answer), so resampling rows with replacement is
the same as one multinomial draw of the joint table of these three (Efron & Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13): exact, and all resamples at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.stats.confusion import COLUMNS
from so8t_evaluator.stats.f1 import macro_f1
from so8t_shared.labels import LABELS
from so8t_shared.results.record import Interval

_SHAPE = (len(LABELS), len(COLUMNS), len(COLUMNS))


def joint_table(gold: Sequence[str], a: Sequence[str], b: Sequence[str]) -> NDArray[np.int64]:
    """Counts [4, 5, 5] of gold x A's answer x B's answer."""
    table = np.zeros(_SHAPE, dtype=np.int64)
    for g, x, y in zip(gold, a, b, strict=True):
        table[LABELS.index(g), COLUMNS.index(x), COLUMNS.index(y)] += 1
    return table


@dataclass(frozen=True)
class Differences:
    """Intervals of B minus A."""

    accuracy: Interval
    macro_f1: Interval


def paired_differences(
    table: NDArray[np.int64], *, resamples: int, confidence: float, rng: np.random.Generator
) -> Differences:
    """Differences of accuracy and macro-F1 with percentile intervals; `table` is [4, 5, 5]."""
    n = int(table.sum())
    draws = rng.multinomial(n, table.ravel() / n, size=resamples).reshape(resamples, *_SHAPE)
    both = np.concatenate([table[None], draws])  # index 0 is the estimate itself
    a, b = both.sum(axis=3), both.sum(axis=2)
    hits_a, hits_b = (np.diagonal(c[..., : len(LABELS)], axis1=-2, axis2=-1) for c in (a, b))

    def interval(values: NDArray[np.float64]) -> Interval:
        tail = 100 * (1 - confidence) / 2
        low, high = np.percentile(values[1:], [tail, 100 - tail])
        return Interval(value=float(values[0]), low=float(low), high=float(high))

    return Differences(
        accuracy=interval((hits_b - hits_a).sum(axis=-1) / n),
        macro_f1=interval(macro_f1(b) - macro_f1(a)),
    )
