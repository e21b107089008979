"""junit.xml: the result in the format that every CI system displays.

Suite `comparisons` has one case per comparison, with its figures as output; these cases never fail.
Suite `checks` has one case per clause of the gate, which fails if the clause is required and does not pass, and the
A/A control, which fails if A gives different answers when asked again. A green file means that the gate passed and the
measurement can be trusted.
"""

from __future__ import annotations

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from so8t_reporter.summary import control_failure, figures
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import ClauseResult, Decision

_NOT_XML = {code: "\ufffd" for code in (*range(0x20), 0xFFFE, 0xFFFF) if chr(code) not in "\t\n\r"}


def render_junit(evaluation: EvaluationResult) -> bytes:
    """Return UTF-8 XML without times or host names of the machine that writes it."""
    xml = JUnitXml("so8t-ab")
    comparisons = TestSuite("comparisons")
    for comparison in evaluation.comparisons:
        comparisons.add_testcase(_comparison_case(comparison, evaluation))
    checks = TestSuite("checks")
    for clause in evaluation.gate.clauses:
        checks.add_testcase(_clause_case(clause))
    checks.add_testcase(_control_case(evaluation))
    for suite in (comparisons, checks):
        suite.update_statistics()
        xml.add_testsuite(suite)
    xml.update_statistics()
    content: bytes = xml.tostring()
    return content


def _comparison_case(comparison: Comparison, evaluation: EvaluationResult) -> TestCase:
    case = TestCase(comparison.name.translate(_NOT_XML), classname="so8t-ab.comparison", time=0)
    case.system_out = f"{comparison.verdict}: {figures(comparison, evaluation)}, n = {comparison.n}"
    return case


def _clause_case(clause: ClauseResult) -> TestCase:
    """A required clause that does not pass fails; an advisory one is skipped."""
    case = TestCase(f"gate: {clause.name}".translate(_NOT_XML), classname="so8t-ab.gate", time=0)
    text = f"{clause.metric} {clause.bound}: {clause.result}; {clause.reason}".translate(_NOT_XML)
    case.system_out = text
    if clause.result != Decision.PASS:
        case.result = [Failure(text, "GateRefused") if clause.required else Skipped(text)]
    return case


def _control_case(evaluation: EvaluationResult) -> TestCase:
    case = TestCase("control: A against A shows no difference", classname="so8t-ab.control", time=0)
    control = evaluation.control
    if control is None:
        case.result = [Skipped("no A/A control was run")]
    elif control.differing_answers:
        case.result = [Failure(f"{control_failure(control)}; {figures(control, evaluation)}", "ControlFailed")]
    return case
