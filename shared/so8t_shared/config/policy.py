"""Targets of the thresholds that are fitted for each GGUF file."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.config.section import Section
from so8t_shared.config.values import Fraction
from so8t_shared.tables.scorings import Scoring, scored


class PolicyTargets(Section):
    """What the thresholds must keep to."""

    false_allow: Fraction = Field(description="Share of DENY and REFUSE rows answered ALLOW, at most.")
    escalate: Fraction | None = Field(None, description="Share of all rows sent to ESCALATION, at most.")


def policy_faults(policy: PolicyTargets | None, scoring: list[Scoring]) -> list[str]:
    """Return why thresholds could not be fitted."""
    if policy and not scored(scoring):
        return ["policy needs probabilities, which no scoring keeps; add logprob to scoring"]
    return []
