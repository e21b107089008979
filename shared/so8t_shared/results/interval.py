"""An estimate with its confidence interval."""

from __future__ import annotations

from so8t_shared.documents import Part


class Interval(Part):
    """An estimate with its confidence interval; EvaluationResult.confidence has the level."""

    value: float
    low: float
    high: float
