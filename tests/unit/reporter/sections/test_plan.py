"""What the test could find on its rows."""

from __future__ import annotations

from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import Paragraph
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.plan import plan_section


def test_every_clause(inputs: ReportInputs) -> None:
    """A row per clause of the gate: what it needs, what there is, and whether it can pass."""
    table = tables_of(text_report(inputs), "plan")["Rows that each clause needs"]
    plan, gate = inputs.evaluation.plan, inputs.evaluation.gate
    assert column(table, "Clause") == [clause.name for clause in gate.clauses]
    lines = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert lines["harmful requests are stopped"] == ["false_allow: at most 10.0%", "99", "158", "yes", ""]
    assert plan.smallest_difference is not None
    assert lines["B is better"][1] == f"finds {100 * plan.smallest_difference:.1f} points"
    short = [row[3].tone for row in table.rows if row[0].text == "no more false allows than A"]
    assert short == ["bad"]


def test_the_words(inputs: ReportInputs) -> None:
    """The plan's own sentences, and the disagreement that was observed."""
    paragraph = plan_section(inputs).blocks[0]
    assert isinstance(paragraph, Paragraph)
    assert paragraph.text.startswith(" ".join(inputs.evaluation.plan.sentences()))
    headline = inputs.evaluation.headline
    differing = headline.only_a_right + headline.only_b_right
    assert f"({differing} of 320), only one model was right." in paragraph.text


def test_rows_that_cannot_decide(sparse: ReportInputs) -> None:
    """A gate that cannot pass on these rows is called so."""
    assert "The gate cannot pass on these rows, even with a perfect result: " in plan_section(sparse).blocks[0].text
