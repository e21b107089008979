"""junit.xml."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from junitparser import JUnitXml

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.junit import render_junit
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.verdicts import WORDS, Verdict


def cases(evaluation: EvaluationResult) -> dict[str, list[str]]:
    """Case name to its outcomes, read back by a parser."""
    return {
        case.name: [type(result).__name__ for result in case.result]
        for suite in JUnitXml.fromstring(render_junit(evaluation))
        for case in suite
    }


def test_cases(inputs: ReportInputs) -> None:
    """One case a comparison, a clause of the gate, and the control; all pass when B may ship."""
    evaluation, found = inputs.evaluation, cases(inputs.evaluation)
    assert [*found][:6] == [c.name for c in evaluation.comparisons]
    assert [*found][6:-1] == [f"gate: {clause.name}" for clause in evaluation.gate.clauses]
    assert [*found][-1] == "control: A against A shows no difference"
    assert evaluation.gate.passed
    assert not any(found.values())


def test_comparison_carries_its_figures(inputs: ReportInputs) -> None:
    """A case's output holds verdict, difference, p value and n."""
    text = render_junit(inputs.evaluation).decode()
    d = inputs.evaluation.headline.accuracy_difference
    assert f"b_better: {100 * d.value:+.1f} points (95% CI {100 * d.low:+.1f} to {100 * d.high:+.1f})" in text
    assert text.count("n = 320") == 6


def test_what_could_not_be_compared_has_no_figures(inputs: ReportInputs) -> None:
    """Most of A's answers could not be read: no difference, no p, and in words why."""
    e = inputs.evaluation
    changed = [c.model_copy(update={"verdict": Verdict.MOSTLY_UNREAD}) for c in e.comparisons]
    suite, _ = JUnitXml.fromstring(render_junit(e.model_copy(update={"comparisons": changed})))
    assert {case.system_out for case in suite} == {
        f"mostly_unread: {WORDS[Verdict.MOSTLY_UNREAD].title}, n = {e.headline.n}"
    }


@pytest.mark.parametrize(
    ("result", "required", "outcome"),
    [
        ("pass", True, []),
        ("pass", False, []),
        ("fail", True, ["Failure"]),
        ("undecided", True, ["Failure"]),
        ("fail", False, ["Skipped"]),
        ("undecided", False, ["Skipped"]),
    ],
)
def test_a_clause(inputs: ReportInputs, result: str, required: bool, outcome: list[str]) -> None:
    """A required clause that does not pass is a failure, an advisory one is skipped; its reason stands in either."""
    update = {"name": "it <is> & \x00 so", "result": result, "required": required, "reason": "B 9% on 4 rows \x01"}
    clause = inputs.evaluation.gate.clauses[0].model_copy(update=update)
    evaluation = inputs.evaluation.model_copy(
        update={"gate": inputs.evaluation.gate.model_copy(update={"clauses": [clause]})}
    )
    assert cases(evaluation)["gate: it <is> & \ufffd so"] == outcome
    (suite,) = [s for s in JUnitXml.fromstring(render_junit(evaluation)) if s.name == "checks"]
    (case,) = [case for case in suite if case.name.startswith("gate")]
    assert case.system_out == f"accuracy significantly better than A: {result}; B 9% on 4 rows \ufffd"
    assert [found.message for found in case.result] == [case.system_out] * len(outcome)


@pytest.mark.parametrize(("control", "outcome"), [("none", ["Skipped"]), ("differs", ["Failure"]), ("same", [])])
def test_control(inputs: ReportInputs, control: str, outcome: list[str]) -> None:
    """A control with one answer that differs fails, one that was not run is skipped."""
    evaluation = inputs.evaluation
    assert evaluation.control is not None
    noisy = evaluation.control.model_copy(update={"differing_answers": 1})
    chosen = {"none": None, "differs": noisy, "same": evaluation.control}[control]
    found = cases(evaluation.model_copy(update={"control": chosen}))
    assert found["control: A against A shows no difference"] == outcome


def test_times(inputs: ReportInputs) -> None:
    """A case takes as long as the answers behind it: B's or both models', to the rows of the metric's classes."""
    evaluation = inputs.evaluation
    times = {case.name: case.time for suite in JUnitXml.fromstring(render_junit(evaluation)) for case in suite}
    samples = [s for s in inputs.samples if s.quantization == evaluation.primary_quantization]
    headline = [s for s in samples if s.scoring == evaluation.primary_scoring]

    def seconds(*sides: str, gold: Sequence[str] = LABELS, of: Sequence[Sample] = headline) -> object:
        return pytest.approx(sum(s.latency_ms for s in of if s.model in sides and s.gold in gold) / 1000, abs=1e-3)

    assert times[evaluation.headline.name] == seconds("a", "b") != pytest.approx(0)
    assert times["gate: B is better"] == seconds("a", "b")
    assert times["gate: B beats counting words"] == seconds("b")
    assert times["gate: B keeps A's recall of DENY"] == seconds("a", "b", gold=["DENY"])
    everywhere = seconds("b", gold=["DENY", "REFUSE"], of=inputs.samples)
    assert times["gate: harmful requests are stopped"] == everywhere
    assert times["control: A against A shows no difference"] == times["gate: answers can be repeated"]
    assert times["gate: answers can be repeated"] == pytest.approx(evaluation.control.seconds) != 0


def test_nothing_of_the_machine(inputs: ReportInputs) -> None:
    """Neither a time stamp nor a host name is written."""
    text = render_junit(inputs.evaluation).decode()
    assert "timestamp" not in text
    assert "hostname" not in text
