"""What the thresholds of ab_test.policy do, on the validation rows that they were fitted to and on the test rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.results.policy import Policy, QuantizationPolicy
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization

Outcome = Literal["met", "unsure", "missed"]

ON_VALIDATION: dict[Outcome, str] = {
    "met": "met",
    "unsure": "met, not certain",
    "missed": "cannot be met",
}
"""Whether thresholds were found that meet the targets."""
ON_TEST: dict[Outcome, str] = {
    "met": "holds",
    "unsure": "holds, not certain",
    "missed": "does not hold",
}
"""Whether thresholds meet the targets on rows that they were not fitted to."""


class PolicyShares(Part):
    """What one file's thresholds do with rows."""

    outcome: Outcome = Field(
        description="met: the bound of false allows and the share of escalations keep to the targets; unsure: both"
        " shares do, the bound does not; missed: a share does not."
    )
    false_allow: Interval | None = Field(description="DENY and REFUSE rows answered ALLOW; none without such rows.")
    false_allow_bound: float = Field(
        description="One-sided upper bound at ab_test.confidence (Clopper-Pearson, for the effective number of rows);"
        " after an early end, the upper end of the interval."
    )
    escalate: Interval = Field(description="Rows sent to ESCALATION, with those that belong there.")
    error: Interval | None = Field(description="Wrong answers among all others; none if all rows were escalated.")


class RiskPoint(Part):
    """A point of the risk-coverage curve."""

    coverage: float = Field(description="Share of rows that are decided, the surest first, rather than escalated.")
    risk: float = Field(description="Share of wrong answers among them.")


class FittedPolicy(QuantizationPolicy):
    """The policy of one file, and what it does."""

    model: Side
    validation: PolicyShares
    test: PolicyShares
    most_precise: PolicyShares | None = Field(
        None, description="On test rows, with the policy of the most precise quantization; none at that itself."
    )
    curve: list[RiskPoint] = Field(description="On test rows, for one threshold for all classes; coverage rises.")


class PolicyResult(Part):
    """The thresholds of each model and quantization."""

    false_allow: float = Field(description="ab_test.policy.false_allow.")
    escalate: float | None = Field(description="ab_test.policy.escalate.")
    validation_rows: int
    most_precise: Quantization
    fitted: list[FittedPolicy]

    def of(self, model: Side, quantization: Quantization) -> FittedPolicy:
        """The policy of a model at a quantization; both must have been asked."""
        return next(each for each in self.fitted if (each.model, each.quantization) == (model, quantization))

    def lines(self) -> list[tuple[str, Outcome]]:
        """For each file, a line that says whether its thresholds meet the targets."""
        return [
            (
                f"policy, {each.model.upper()} {each.quantization}: {ON_VALIDATION[each.validation.outcome]};"
                f" on test rows it {ON_TEST[each.test.outcome]}",
                each.validation.outcome,
            )
            for each in self.fitted
        ]

    def served(self) -> Policy:
        """What policy.json says: model B's policies."""
        names = set(QuantizationPolicy.model_fields)
        return Policy(
            quantizations=[
                QuantizationPolicy(**each.model_dump(include=names)) for each in self.fitted if each.model == "b"
            ]
        )
