"""junit.xml: the result in the format that every CI system displays.

Suite `comparisons` has one case per comparison, with its figures as output; these cases never fail.
Suite `checks` has one case per clause of the gate, which fails if the clause is required and does not pass, and the
A/A control, which fails if A gives different answers when asked again. A green file means that the gate passed and the
measurement can be trusted.

A case's time is that of the models' answers behind it, their latencies added up: of all settings that a clause covers,
from the rows of the metric's classes, B's answers and for a relative clause A's. Judging them takes next to nothing.
"""

from __future__ import annotations

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from so8t_reporter.summary import control_failure, figures
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import ClauseResult, Decision
from so8t_shared.results.verdicts import WORDS

_NOT_XML = {code: "\ufffd" for code in (*range(0x20), 0xFFFE, 0xFFFF) if chr(code) not in "\t\n\r"}


def render_junit(evaluation: EvaluationResult) -> bytes:
    """Return UTF-8 XML without date or host name of the machine that writes it."""
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
    case = TestCase(
        comparison.name.translate(_NOT_XML), classname="so8t-ab.comparison", time=_rounded(comparison.seconds)
    )
    verdict = comparison.verdict
    told = figures(comparison, evaluation) if verdict.compared else WORDS[verdict].title
    case.system_out = f"{verdict}: {told}, n = {comparison.n}"
    return case


def _clause_case(clause: ClauseResult) -> TestCase:
    """A required clause that does not pass fails; an advisory one is skipped."""
    seconds = _rounded(sum(figure.seconds for figure in clause.settings))
    case = TestCase(f"gate: {clause.name}".translate(_NOT_XML), classname="so8t-ab.gate", time=seconds)
    text = f"{clause.metric} {clause.bound}: {clause.result}; {clause.reason}".translate(_NOT_XML)
    case.system_out = text
    if clause.result != Decision.PASS:
        case.result = [Failure(text, "GateRefused") if clause.required else Skipped(text)]
    return case


def _control_case(evaluation: EvaluationResult) -> TestCase:
    control = evaluation.control
    seconds = _rounded(control.seconds) if control else 0
    case = TestCase("control: A against A shows no difference", classname="so8t-ab.control", time=seconds)
    if control is None:
        case.result = [Skipped("no A/A control was run")]
    elif control.differing_answers:
        case.result = [Failure(f"{control_failure(control)}; {figures(control, evaluation)}", "ControlFailed")]
    return case


def _rounded(seconds: float) -> float:
    """Return it in whole milliseconds."""
    return round(seconds, 3)
