"""The release gate's decision: each clause with its figure and its reason."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.tables.metrics import MetricName
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


class Decision(StrEnum):
    """Result of a clause, or of the gate."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNDECIDED = "undecided"
    """The figures do not tell. A required clause that is undecided does not let B pass."""


class ClauseFigure(Part):
    """A clause in one setting."""

    quantization: Quantization
    scoring: Scoring
    result: Decision
    figure: Interval | None = Field(description="B's figure, or B minus A for a relative clause; None if undefined.")
    reason: str
    seconds: float = Field(
        0.0,
        description="Time of the answers behind the figure, their latencies added up: to the rows of the metric's"
        " classes, from B, and from A for a relative clause.",
    )


class ClauseResult(Part):
    """A clause of the gate over all settings that it covers."""

    name: str
    metric: MetricName
    bound: str = Field(description='In words, such as "at most 10.0%" or "less than 5.0 points worse than A".')
    required: bool
    result: Decision = Field(description="The worst of its settings: fail, then undecided, then pass.")
    reason: str = Field(description="One sentence with the figures that decide.")
    settings: list[ClauseFigure]


class GateResult(Part):
    """Whether B may ship under ab_test.gate, and why."""

    result: Decision = Field(description="The worst of the required clauses; pass if there is none.")
    clauses: list[ClauseResult]

    @property
    def passed(self) -> bool:
        """Whether B may ship."""
        return self.result == Decision.PASS

    @property
    def reasons(self) -> list[str]:
        """Why B may not ship: a line for each required clause that does not pass, failures first."""
        against = [c for c in self.clauses if c.required and c.result != Decision.PASS]
        return [f"{c.name} ({c.result}): {c.reason}" for c in sorted(against, key=lambda c: c.result != Decision.FAIL)]
