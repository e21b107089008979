"""The section on thresholds."""

from __future__ import annotations

import dataclasses

from tests.unit.reporter.rendering import column, tables_of, text_report
from tests.unit.reporter.thresholds import with_thresholds

from so8t_reporter.document import PictureBlock
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.thresholds import ON_TEST, ON_VALIDATION


def test_table(inputs: ReportInputs) -> None:
    """A line per file: what was fitted, whether it holds on test rows, and whether f16's thresholds hold there."""
    fitted = with_thresholds(inputs)
    found = fitted.evaluation.policy
    assert found is not None
    report = text_report(fitted)
    table = tables_of(report, "policy")["Targets, and shares on test rows"]
    assert column(table, "Validation rows") == [ON_VALIDATION[each.validation.outcome] for each in found.fitted]
    assert column(table, "Test rows") == [ON_TEST[each.test.outcome] for each in found.fitted]
    lent = [ON_TEST[each.most_precise.outcome] if each.most_precise else "" for each in found.fitted]
    assert column(table, "With f16's") == lent
    assert lent[0] == ""
    assert all(lent[2:])
    for each, row in zip(found.fitted, table.rows, strict=True):
        assert [cell.interval for cell in row[-3:]] == [each.test.false_allow, each.test.escalate, each.test.error]
        assert row[-4].text == f"{each.thresholds['ALLOW']:.3f}"
    (section,) = (s for s in report.sections if s.anchor == "policy")
    assert section.blocks[-1] == PictureBlock("risk_coverage")


def test_one_quantization(inputs: ReportInputs) -> None:
    """Where thresholds have no other file to hold at, there is no column for it."""
    fitted = with_thresholds(inputs)
    found = fitted.evaluation.policy
    assert found is not None
    alone = [each.model_copy(update={"most_precise": None}) for each in found.fitted]
    evaluation = fitted.evaluation.model_copy(update={"policy": found.model_copy(update={"fitted": alone})})
    report = text_report(dataclasses.replace(fitted, evaluation=evaluation))
    (table,) = tables_of(report, "policy").values()
    assert len(table.columns) == 9
    assert {len(row) for row in table.rows} <= {9}


def test_off(inputs: ReportInputs) -> None:
    """Without targets there is no section."""
    assert "policy" not in [section.anchor for section in text_report(inputs).sections]
