"""The first screen as a whole."""

from __future__ import annotations

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario
from tests.unit.reporter.rendering import NAMES

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.overview import first_screen, gate_words, models, verdict_tone
from so8t_shared.results.gate import ClauseResult, Decision, GateResult

ONE = {"quantizations": ("q8_0",), "scorings": ("generate",)}


def clause(name: str, result: Decision, *, required: bool = True) -> ClauseResult:
    return ClauseResult(
        name=name, metric="accuracy", bound="", required=required, result=result, reason=f"why {name}", settings=[]
    )


def gate(*clauses: ClauseResult, result: Decision) -> GateResult:
    return GateResult(result=result, clauses=list(clauses))


def test_gate_lines(inputs: ReportInputs) -> None:
    """Clauses that do not pass come with their reason, required and failed ones first; of the others only the names."""
    clauses = (
        clause("fine", Decision.PASS),
        clause("tip", Decision.FAIL, required=False),
        clause("open", Decision.UNDECIDED),
        clause("broken", Decision.FAIL),
    )
    evaluation = inputs.evaluation.model_copy(update={"gate": gate(*clauses, result=Decision.FAIL)})
    screen = first_screen(ReportInputs(**(vars(inputs) | {"evaluation": evaluation})))
    assert [(line.name, line.result, line.required) for line in screen.gate] == [
        ("broken", "fail", True),
        ("open", "undecided", True),
        ("tip", "fail", False),
    ]
    assert screen.gate[0].reason == "why broken"
    assert screen.passed == ["fine"]
    assert screen.gate_tone == "bad"


def test_gate_words() -> None:
    """B may ship, or how many required clauses forbid it."""
    assert gate_words(gate(clause("x", Decision.PASS), result=Decision.PASS)) == "B may ship"
    one = gate(clause("x", Decision.FAIL), clause("y", Decision.FAIL, required=False), result=Decision.FAIL)
    assert gate_words(one) == "B may not ship: 1 required clause does not pass"
    two = gate(clause("x", Decision.FAIL), clause("y", Decision.UNDECIDED), result=Decision.FAIL)
    assert gate_words(two) == "B may not ship: 2 required clauses do not pass"


@pytest.mark.parametrize(
    ("scenario", "tone"),
    [
        (Scenario(**ONE), "good"),
        (Scenario(skill_a=0.9, skill_b=0.4, **ONE), "bad"),
        (Scenario(skill_a=0.6, skill_b=0.62, **ONE), "muted"),
        (Scenario(b_copies_a=True, **ONE), "muted"),
    ],
)
def test_tone(scenario: Scenario, tone: str) -> None:
    """Green only for a win, red only for a loss."""
    assert verdict_tone(Evaluation(scenario).result()) == tone


def test_a_win_that_may_not_ship_is_not_green() -> None:
    """The title says that B is better; its color must not say that B may ship."""
    refused = gate(clause("x", Decision.UNDECIDED), result=Decision.UNDECIDED)
    result = Evaluation(Scenario(**ONE)).result().model_copy(update={"gate": refused})
    assert verdict_tone(result) == "muted"


def test_models() -> None:
    """Both models with their owner's descriptions."""
    assert models(NAMES) == [("A", NAMES.a, NAMES.description_a), ("B", NAMES.b, NAMES.description_b)]
