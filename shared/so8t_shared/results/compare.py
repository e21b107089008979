"""What `so8t-ab compare --json` prints; docs/schema/compare.schema.json describes it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.comparison import Flip, ReadRows
from so8t_shared.results.evaluation import ClassMetrics
from so8t_shared.results.gate import Decision
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import USUAL
from so8t_shared.results.sides import Side
from so8t_shared.results.verdicts import Verdict
from so8t_shared.tables.metrics import MetricName

Answer = Literal["b_better", "a_better", "no_difference", "undecided"]


class LogFile(Part):
    """A file of answers."""

    path: str
    reader: str = Field(description="The kind of log, see docs/compare.md.")
    sha256: str


class SideOutcome(Part):
    """One model's answers."""

    log: LogFile
    accuracy: Interval
    macro_f1: float
    unread: int = Field(description="Answers without a class; they count as wrong.")
    per_class: dict[str, ClassMetrics]
    confusion: list[list[int]] = Field(
        description="Rows: gold in label order; columns: predicted in label order, then INVALID."
    )


class RateOutcome(Part):
    """One metric of both models; a figure is None where no row or answer defines it."""

    metric: MetricName
    by: Literal["all", "language", "category"]
    value: str = Field(description="Language or category; empty for all rows.")
    rows: int = Field(description="Rows of the metric's classes.")
    unread_a: int = Field(description="Of these rows, those from whose answer no class could be read.")
    unread_b: int
    a: Interval | None
    b: Interval | None
    difference: Interval | None = Field(description="B minus A, paired.")
    usual_a: float | None = Field(None, description=USUAL)
    usual_b: float | None = Field(None, description=USUAL)


class ClauseOutcome(Part):
    """A clause of the gate."""

    name: str
    metric: MetricName
    bound: str
    required: bool
    result: Decision
    figure: Interval | None = Field(description="B's figure, or B minus A for a relative clause; None if undefined.")
    reason: str


class CompareGate(Part):
    """Whether B may ship, and why."""

    result: Decision = Field(description="The worst of the required clauses; pass if there is none.")
    clauses: list[ClauseOutcome]


class CompareResult(Document):
    """The comparison of B with A over two files of answers."""

    schema_version: Literal[1] = 1
    verdict: Answer
    detail: Verdict = Field(description="The verdict in the words of ab_test_results.json.")
    confidence: float = Field(description="Level of the intervals; 1 - confidence is the test's alpha.")
    test: Literal["exact", "mid_p"]
    n: int = Field(description="Rows, each answered by both models.")
    by_label: dict[str, int]
    groups: int = Field(description="Groups of rows; as many as rows if every row stands alone.")
    design_effect: float | None = Field(description="Of the difference in accuracy; None with too few groups.")
    difference: Interval = Field(description="Accuracy of B minus that of A.")
    p: float = Field(description="Two-sided paired test that both are right equally often.")
    macro_f1_difference: Interval
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    read_from_both: ReadRows | None = Field(None, description="None if a class could be read from every answer.")
    flips: list[Flip]
    models: dict[Side, SideOutcome]
    rates: list[RateOutcome]
    gate: CompareGate

    @classmethod
    def of_verdict(cls, detail: Verdict, **figures: Any) -> Self:
        """Return the result; a comparison that could not be made is undecided."""
        answer = detail.value if detail.significant else "no_difference" if detail.undecided else "undecided"
        return cls(verdict=answer, detail=detail, **figures)

    @property
    def alpha(self) -> float:
        """Significance level of the test; rounded, since 1 - 0.95 exceeds 0.05 in floating point."""
        return round(1 - self.confidence, 12)
