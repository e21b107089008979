"""The gate's clauses as a table."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.gate import by_severity
from so8t_shared.config.gate import DEFAULT_GATE
from so8t_shared.results.gate import ClauseResult, GateResult


def _with(inputs: ReportInputs, clauses: list[ClauseResult]) -> ReportInputs:
    gate = GateResult(result=inputs.evaluation.gate.result, clauses=clauses)
    return replace(inputs, evaluation=inputs.evaluation.model_copy(update={"gate": gate}))


def test_a_line_per_clause(inputs: ReportInputs) -> None:
    """Every clause of the configuration with its bound, figure and reason."""
    (table,) = tables_of(text_report(inputs), "gate").values()
    clauses = by_severity(inputs.evaluation.gate.clauses)
    assert column(table, "Clause") == [clause.name for clause in clauses]
    assert {*column(table, "Clause")} == {clause.name for clause in DEFAULT_GATE}
    assert column(table, "Demands")[:3] == [
        "accuracy: significantly better than A",
        "accuracy: less than 5.0 points worse than A",
        "false_allow: at most 10.0%",
    ]
    assert column(table, "Why") == [clause.reason for clause in clauses]
    assert set(column(table, "Required")) == {"yes", "advisory"}


def test_colors(inputs: ReportInputs) -> None:
    """Red for a fail, gray for what is undecided, green for a pass; what does not pass comes first."""
    first = inputs.evaluation.gate.clauses[0]
    clauses = [first.model_copy(update={"result": result}) for result in ("pass", "fail", "undecided")]
    (table,) = tables_of(text_report(_with(inputs, clauses)), "gate").values()
    assert [row[2].tone for row in table.rows] == ["bad", "muted", "good"]


def test_no_clause(inputs: ReportInputs) -> None:
    """A gate that demands nothing says so."""
    section = next(s for s in text_report(_with(inputs, [])).sections if s.anchor == "gate")
    assert [block.kind for block in section.blocks] == ["paragraph"]
