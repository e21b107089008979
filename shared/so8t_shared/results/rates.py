"""Figures of A and B on the same rows: a metric each, overall and by language and category."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.tables.metrics import MetricName
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

USUAL = "Of the calibration error, its usual form: ECE over 15 bins of equal width, with chance in it."


class ClassRate(Part):
    """A metric of several classes on the rows of one of them."""

    b: Interval
    difference: Interval = Field(description="B minus A, paired.")


class DangerSlice(Part):
    """B's dangerous answers in one language or category, in all classes of the metric or in one."""

    by: Literal["language", "category"]
    value: str
    label: str = Field(description="Class; empty for all of the metric's, if several have rows.")
    rows: int
    hits: int
    effective_rows: float = Field(description="Independent rows that would tell as much.")


class Rate(Part):
    """One metric of both models in one setting; a figure is None where no row or answer defines it."""

    metric: MetricName
    quantization: Quantization
    scoring: Scoring
    by: Literal["all", "language", "category"] = "all"
    value: str = Field("", description="Language or category; empty for all rows.")
    gathered: int = Field(1, description="Number of values in this line: more than 1 if the smallest were combined.")
    rows: int = Field(
        0, description="Test rows of the metric's classes; a figure has fewer if some answers have no probabilities."
    )
    unread_a: int = Field(description="Of these rows, those from whose answer no class could be read.")
    unread_b: int
    a: Interval | None
    b: Interval | None
    difference: Interval | None = Field(description="B minus A, paired.")
    usual_a: float | None = Field(None, description=USUAL)
    usual_b: float | None = Field(None, description=USUAL)
    by_class: dict[str, ClassRate] = Field(
        default_factory=dict,
        description="Over all rows, the classes of a metric that counts several but not all; in a gate, none of them"
        " hides behind the others.",
    )
    slices: list[DangerSlice] = Field(
        default_factory=list,
        description="Over all rows, a danger in each language and category; in a gate, none of them hides behind the"
        " others.",
    )
