"""An estimate and how far it can be trusted."""

from __future__ import annotations

from so8t_shared.documents import Part


class Interval(Part):
    """An estimate with its confidence interval; the level stands in EvaluationResult.confidence."""

    value: float
    low: float
    high: float
