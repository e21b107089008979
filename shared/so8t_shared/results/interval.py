"""An estimate with its confidence interval."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.documents import Part


class Interval(Part):
    """An estimate with its confidence interval; EvaluationResult.confidence has the level."""

    value: float
    low: float
    high: float
    rows: int = Field(default=0, description="Rows behind the estimate.")
    groups: int = Field(default=0, description="Groups of rows; as many as rows if every row stands alone.")
    design_effect: float | None = Field(
        default=None,
        description="How many times larger the variance is than that of as many independent rows; None if unknown.",
    )
    too_few_groups: bool = Field(
        default=False,
        description="Whether there are too few groups for an interval, which is then the widest possible.",
    )

    @property
    def hits(self) -> int:
        """Number of rows behind a share."""
        return round(self.value * self.rows)
