"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from so8t_shared.labels import INVALID, LABELS

COLUMNS = (*LABELS, INVALID)
"""Possible predictions: the four classes, or INVALID."""


def confusion_matrix(gold: Sequence[str], predicted: Sequence[str]) -> NDArray[np.int64]:
    """Return counts [4, 5]: rows are gold classes in label order, columns predicted classes with INVALID last."""
    counts = np.zeros((len(LABELS), len(COLUMNS)), dtype=np.int64)
    for g, p in zip(gold, predicted, strict=True):
        counts[LABELS.index(g), COLUMNS.index(p)] += 1
    return counts
