"""junit.xml."""

from __future__ import annotations

import pytest
from junitparser import JUnitXml

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.junit import render_junit
from so8t_shared.results.evaluation import EvaluationResult, GateResult


def cases(evaluation: EvaluationResult) -> dict[str, list[str]]:
    """Case name to its outcomes, read back by a parser."""
    return {
        case.name: [type(result).__name__ for result in case.result]
        for suite in JUnitXml.fromstring(render_junit(evaluation))
        for case in suite
    }


def test_cases(inputs: ReportInputs) -> None:
    """One case a comparison, the gate, and the control; all pass when B may ship."""
    found = cases(inputs.evaluation)
    assert [*found][:6] == [c.name for c in inputs.evaluation.comparisons]
    assert [*found][6:] == ["gate: B may ship", "control: A against A shows no difference"]
    assert not any(found.values())


def test_comparison_carries_its_figures(inputs: ReportInputs) -> None:
    """A case's output holds verdict, difference, p value and n."""
    text = render_junit(inputs.evaluation).decode()
    d = inputs.evaluation.headline.accuracy_difference
    assert f"b_better: {100 * d.value:+.1f} points (95% CI {100 * d.low:+.1f} to {100 * d.high:+.1f})" in text
    assert text.count("n = 320") == 6


def test_gate_fails(inputs: ReportInputs) -> None:
    """A gate that is not passed is a failure with its reasons, whatever characters they hold."""
    gate = GateResult(passed=False, reasons=["recall <of> DENY & \x00 fell", "B is not better"])
    evaluation = inputs.evaluation.model_copy(update={"gate": gate})
    assert cases(evaluation)["gate: B may ship"] == ["Failure"]
    (suite,) = [s for s in JUnitXml.fromstring(render_junit(evaluation)) if s.name == "checks"]
    assert suite.failures == 1
    assert [case.result[0].message for case in suite if case.result] == [
        "recall <of> DENY & \ufffd fell; B is not better"
    ]


@pytest.mark.parametrize(("control", "outcome"), [("none", ["Skipped"]), ("differs", ["Failure"]), ("same", [])])
def test_control(inputs: ReportInputs, control: str, outcome: list[str]) -> None:
    """A control with one answer that differs fails, one that was not run is skipped."""
    evaluation = inputs.evaluation
    assert evaluation.control is not None
    noisy = evaluation.control.model_copy(update={"differing_answers": 1})
    chosen = {"none": None, "differs": noisy, "same": evaluation.control}[control]
    found = cases(evaluation.model_copy(update={"control": chosen}))
    assert found["control: A against A shows no difference"] == outcome


def test_nothing_of_the_machine(inputs: ReportInputs) -> None:
    """Neither a time stamp nor a host name is written."""
    text = render_junit(inputs.evaluation).decode()
    assert "timestamp" not in text
    assert "hostname" not in text
