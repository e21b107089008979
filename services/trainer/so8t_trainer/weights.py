"""Weights of a row's tokens in the loss: thinking, label, and the row's class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from so8t_shared.config.training import LossWeights
from so8t_trainer.encode import EncodedRow


def weighted(rows: Sequence[EncodedRow], settings: LossWeights) -> list[EncodedRow]:
    """Return the rows with the weight of each token; unchanged if all weigh 1.

    A token's weight is that of its kind, thinking, label or neither (1), times that of the row's class.
    """
    if settings == LossWeights():
        return list(rows)
    classes = class_weights(Counter(row.label for row in rows), settings)
    return [replace(row, weights=_weights(row, settings, classes.get(row.label, 1.0))) for row in rows]


def class_weights(counts: Mapping[str, int], settings: LossWeights) -> dict[str, float]:
    """Return the weight of each class, given its number of rows.

    `balanced` is scikit-learn's: rows / (classes * rows of the class), so that the mean weight of a row is 1.
    """
    if settings.classes == "equal":
        return dict.fromkeys(counts, 1.0)
    if settings.classes == "balanced":
        return {label: sum(counts.values()) / (len(counts) * count) for label, count in counts.items()}
    return dict(settings.classes)


def _weights(row: EncodedRow, settings: LossWeights, of_class: float) -> tuple[float, ...]:
    kinds = [settings.thinking] * row.thinking_tokens + [1.0] * (len(row.completion) - row.thinking_tokens)
    for position in row.label_tokens:
        kinds[position] = settings.label
    return tuple(kind * of_class for kind in kinds)
