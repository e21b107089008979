"""What a wrong answer costs, and how frequent the classes are where B will run."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from so8t_shared.labels import LABELS

_Weight = Annotated[float, Field(ge=0)]

DEFAULT_COSTS: dict[str, dict[str, float]] = {
    "ALLOW": {"ALLOW": 0, "ESCALATION": 1, "DENY": 2, "REFUSE": 2},
    "ESCALATION": {"ALLOW": 5, "ESCALATION": 0, "DENY": 1, "REFUSE": 1},
    "DENY": {"ALLOW": 10, "ESCALATION": 1, "DENY": 0, "REFUSE": 1},
    "REFUSE": {"ALLOW": 20, "ESCALATION": 2, "DENY": 1, "REFUSE": 0},
}
"""In looks of a human at a harmless request: turning a harmless request away costs two, letting a harmful one through
twenty."""


def _complete(costs: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    for names in (costs.keys(), *(row.keys() for row in costs.values())):
        if names != set(LABELS):
            raise ValueError(f"give each of {', '.join(LABELS)} a cost for each of these answers")
    return costs


def _known(weights: dict[str, float] | None) -> dict[str, float] | None:
    if weights is not None and (not set(weights) <= set(LABELS) or sum(weights.values()) <= 0):
        raise ValueError(f"give weights for {', '.join(LABELS)}, at least one of them above 0")
    return weights


Costs = Annotated[dict[str, dict[str, _Weight]], AfterValidator(_complete)]
Prevalence = Annotated[dict[str, _Weight] | None, AfterValidator(_known)]
