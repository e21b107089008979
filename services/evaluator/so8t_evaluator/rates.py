"""Every metric of A, of B, and B minus A, for each quantization and scoring; shares also by language and category."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.danger_slices import danger_slices
from so8t_evaluator.outcomes import UNDEFINED, Measured, Outcomes, outcomes_of
from so8t_evaluator.slices import parts_of
from so8t_evaluator.stats.anytime import Pool
from so8t_evaluator.stats.confusion import COLUMNS
from so8t_evaluator.stats.paired import paired_interval
from so8t_evaluator.stats.share import share_interval
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.rates import ClassRate, DangerSlice, Rate
from so8t_shared.tables import metrics
from so8t_shared.tables.functions import named


def rates_of(
    a: Sequence[Sample],
    b: Sequence[Sample],
    settings: AbTest,
    pool: Pool | None = None,
    only: Collection[str] | None = None,
) -> list[Rate]:
    """Return the rates of A and B in one setting: all of them, or with `only`, some metrics over all rows.

    With a `pool`, the intervals of shares hold wherever the asking ends.
    """
    pair, parts = (outcomes_of(a), outcomes_of(b)), parts_of(a)

    def rate(metric: metrics.Row, rows_a: Outcomes, rows_b: Outcomes, **part: Any) -> Rate:
        rows_a, rows_b = (rows.among(_counted(metric, rows)) for rows in (rows_a, rows_b))
        found = measured(metric, rows_a, rows_b, settings, pool)
        return Rate(
            metric=metric.name,
            quantization=a[0].quantization,
            scoring=a[0].scoring,
            a=found.a,
            b=found.b,
            difference=found.difference,
            usual_a=found.usual[0],
            usual_b=found.usual[1],
            rows=len(rows_a),
            unread_a=rows_a.unread,
            unread_b=rows_b.unread,
            **part,
        )

    def slices(metric: metrics.Row) -> list[DangerSlice]:
        return danger_slices(metric, pair[1], hits_of(metric, pair[1]), parts, pool) if metric.danger else []

    overall = [
        rate(metric, *pair, by_class=_by_class(metric, *pair, settings, pool), slices=slices(metric))
        for metric in metrics.OF_ANSWERS
        if only is None or metric.name in only
    ]
    return overall + [
        rate(metric, *(rows.among(part.places) for rows in pair), by=part.by, value=part.value, gathered=part.gathered)
        for part in (parts if only is None else ())
        for metric in metrics.OF_ANSWERS
        if not metric.measure
    ]


def _by_class(
    metric: metrics.Row, a: Outcomes, b: Outcomes, settings: AbTest, pool: Pool | None
) -> dict[str, ClassRate]:
    if not 1 < len(metric.gold) < len(LABELS):
        return {}
    places = {label: a.gold == LABELS.index(label) for label in metric.gold}
    found = {
        label: measured(metric, a.among(place), b.among(place), settings, pool)
        for label, place in places.items()
        if place.any()
    }
    return {label: ClassRate(b=m.b, difference=m.difference) for label, m in found.items() if m.b and m.difference}


def measured(metric: metrics.Row, a: Outcomes, b: Outcomes, settings: AbTest, pool: Pool | None = None) -> Measured:
    """Return one metric of A and B on the same rows, all of the metric's classes."""
    if metric.measure:
        found: Measured = named(metric.measure)(a, b, settings)
        return found
    if not len(a):
        return UNDEFINED
    hit_a, hit_b = hits_of(metric, a), hits_of(metric, b)
    return Measured(
        share_interval(hit_a, a.groups, settings.confidence, pool),
        share_interval(hit_b, b.groups, settings.confidence, pool),
        paired_interval(hit_b.astype(np.int8) - hit_a, a.groups, settings.confidence, pool),
    )


def _counted(metric: metrics.Row, rows: Outcomes) -> NDArray[np.bool_]:
    return np.isin(rows.gold, [LABELS.index(label) for label in metric.gold])


def hits_of(metric: metrics.Row, rows: Outcomes) -> NDArray[np.bool_]:
    """Mark the rows whose answer counts, whatever their class."""
    return np.isin(rows.said, [COLUMNS.index(name) for name in metric.said]) if metric.said else rows.right
