"""Paired percentile bootstrap of the difference in macro-F1 between two models on the same rows.

Rows are exchangeable given (gold, A's answer, B's answer), so resampling rows with replacement is
the same as one multinomial draw of the joint table of these three (Efron & Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13): exact, and all resamples at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.stats.confusion import COLUMNS
from so8t_evaluator.stats.f1 import macro_f1
from so8t_shared.labels import LABELS
from so8t_shared.results.interval import Interval

_SHAPE = (len(LABELS), len(COLUMNS), len(COLUMNS))


def joint_table(gold: Sequence[str], a: Sequence[str], b: Sequence[str]) -> NDArray[np.int64]:
    """Return counts [4, 5, 5] of gold x A's answer x B's answer."""
    table = np.zeros(_SHAPE, dtype=np.int64)
    for g, x, y in zip(gold, a, b, strict=True):
        table[LABELS.index(g), COLUMNS.index(x), COLUMNS.index(y)] += 1
    return table


def macro_f1_difference(
    table: NDArray[np.int64], *, resamples: int, confidence: float, rng: np.random.Generator
) -> Interval:
    """Return macro-F1 of B minus macro-F1 of A with its percentile interval; `table` is [4, 5, 5]."""
    n = int(table.sum())
    draws = rng.multinomial(n, table.ravel() / n, size=resamples).reshape(resamples, *_SHAPE)
    both = np.concatenate([table[None], draws])  # index 0 is the estimate itself
    values = macro_f1(both.sum(axis=2)) - macro_f1(both.sum(axis=3))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(values[1:], [tail, 100 - tail])
    return Interval(value=float(values[0]), low=float(low), high=float(high))
