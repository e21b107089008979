"""What the validations so far decide: pure functions of the points, so that a resumed training decides the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from so8t_shared.config.training import EarlyStopping, Training
from so8t_shared.results.training import TrainingPoint


def best_step(points: Sequence[TrainingPoint], settings: Training) -> int | None:
    """Return the first step with the best validation; None without a validation."""
    scored = list(_costs(points, settings.early_stopping or EarlyStopping()))
    return min(scored, key=lambda found: found[1])[0] if scored else None


def weights_step(points: Sequence[TrainingPoint], settings: Training) -> int | None:
    """Return the step whose weights are the result; None without any step."""
    last = points[-1].step if points else None
    return (best_step(points, settings) if settings.keeps_best else None) or last


def is_over(points: Sequence[TrainingPoint], settings: Training) -> bool:
    """Whether early stopping ends the training: no improvement in the last `patience` validations."""
    if settings.early_stopping is None:
        return False
    best, waited = math.inf, 0
    for _, cost in _costs(points, settings.early_stopping):
        if cost < best - settings.early_stopping.min_delta:
            best, waited = cost, 0
        else:
            waited += 1
    return waited >= settings.early_stopping.patience


def _costs(points: Sequence[TrainingPoint], settings: EarlyStopping) -> Iterator[tuple[int, float]]:
    """Yield (step, figure to minimize) of each validation."""
    for point in points:
        if point.validation is not None:
            found = point.validation
            yield point.step, found.decision_loss if settings.metric == "decision_loss" else -found.macro_f1
