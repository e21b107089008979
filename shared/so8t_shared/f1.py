"""Precision, recall, F1 and macro-F1 from a confusion matrix.

Precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN)
(van Rijsbergen, Information Retrieval, 1979). An INVALID answer is a miss of its gold class and not a
false alarm of any class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from so8t_shared.labels import LABELS
from so8t_shared.results.evaluation import ClassMetrics


def per_class(confusion: NDArray[np.int64]) -> dict[str, ClassMetrics]:
    """Return the metrics of each class of a confusion matrix [4, 5]; None where the denominator is 0."""
    found = {}
    for i, label in enumerate(LABELS):
        hit, support, claimed = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
        found[label] = ClassMetrics(
            support=support,
            precision=hit / claimed if claimed else None,
            recall=hit / support if support else None,
            f1=2 * hit / (support + claimed) if support + claimed else None,
        )
    return found


def macro_f1(confusion: NDArray[np.number]) -> NDArray[np.float64]:
    """Return the mean F1 over the classes that occur in gold or prediction; batched over [..., 4, 5].

    A class that occurs in neither has no F1 and is excluded from the mean, like scikit-learn's
    `f1_score(average="macro")` over the labels present. Without rows: nan.
    """
    hits = np.diagonal(confusion[..., : len(LABELS)], axis1=-2, axis2=-1)
    mass = confusion.sum(axis=-1) + confusion[..., : len(LABELS)].sum(axis=-2)
    occurs = mass > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(occurs, 2 * hits / np.where(occurs, mass, 1), 0.0)
        mean: NDArray[np.float64] = f1.sum(axis=-1) / occurs.sum(axis=-1)
    return mean
