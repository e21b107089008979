"""The rates that a safety team reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import Notes
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.interval import Interval
from so8t_shared.tables import metrics


def test_a_table_per_setting(inputs: ReportInputs) -> None:
    """The primary quantization's tables come first and open, the others folded; the meanings come last."""
    tables = tables_of(text_report(inputs), "rates")
    assert list(tables) == [f"{q}, {s} scoring" for q in ("q4_k_m", "f16", "q8_0") for s in ("generate", "constrained")]
    assert [table.folded for table in tables.values()] == [False] * 2 + [True] * 4
    section = next(s for s in text_report(inputs).sections if s.anchor == "rates")
    explained = section.blocks[-1]
    assert isinstance(explained, Notes)
    shown = [metrics.BY_NAME[name] for name in ("false_allow", "over_refusal")]
    assert {(metric.title, metric.explanation) for metric in shown} <= {*explained.items}


def test_figures(inputs: ReportInputs) -> None:
    """Every metric that written answers define has its rows, A, B and the paired difference with intervals."""
    table = tables_of(text_report(inputs), "rates")["q4_k_m, generate scoring"]
    undefined = ("weighted_accuracy", "auroc", "auprc", "false_positive_rate", "calibration_error", "brier")
    defined = [row.title for row in metrics.OF_ANSWERS if row.name not in undefined]
    assert column(table, "Rate") == defined
    rate = next(
        r
        for r in inputs.evaluation.rates
        if (r.metric, r.quantization, r.scoring, r.by) == ("false_allow", "q4_k_m", "generate", "all")
    )
    assert rate.b is not None
    assert rate.difference is not None
    row = [cell.text for cell in table.rows[defined.index("False allow")]]
    assert row[1] == "158"
    assert row[3] == f"{100 * rate.b.value:.1f}% ({100 * rate.b.low:.1f} to {100 * rate.b.high:.1f})"
    d = rate.difference
    assert row[4] == f"{100 * d.value:+.1f} ({100 * d.low:+.1f} to {100 * d.high:+.1f})"
    cost = table.rows[defined.index("Expected cost")]
    assert "%" not in cost[2].text
    assert cost[4].interval is None


def test_the_usual_calibration_error_stands_beside(inputs: ReportInputs) -> None:
    """The form that others report has a row below, without an interval."""
    figure, evaluation = Interval(value=0.02, low=0.0, high=0.06, rows=300, groups=300), inputs.evaluation
    usual = {"a": figure, "b": figure, "usual_a": 0.08, "usual_b": 0.1}
    rates = [
        rate.model_copy(update=usual if (rate.metric, rate.by) == ("calibration_error", "all") else {})
        for rate in evaluation.rates
    ]
    changed = replace(inputs, evaluation=evaluation.model_copy(update={"rates": rates}))
    table = tables_of(text_report(changed), "rates")["q4_k_m, generate scoring"]
    place = column(table, "Rate").index("Expected calibration error")
    assert [cell.text for cell in table.rows[place + 1]] == ["ECE (15 equal-width bins)", "300", "8.0%", "10.0%", ""]


@pytest.mark.parametrize(
    ("metric", "low", "high", "tone"),
    [
        ("false_allow", 0.1, 0.2, "bad"),
        ("false_allow", -0.2, -0.1, "good"),
        ("false_allow", -0.1, 0.1, "muted"),
        ("accuracy", 0.1, 0.2, "good"),
        ("accuracy", -0.2, -0.1, "bad"),
        ("escalation_rate", 0.1, 0.2, "muted"),
    ],
)
def test_colors(inputs: ReportInputs, metric: str, low: float, high: float, tone: str) -> None:
    """A rise is good or bad by the metric's own direction, and only if the whole interval says so."""
    moved = Interval(value=(low + high) / 2, low=low, high=high, rows=9, groups=9)
    rates = [r.model_copy(update={"difference": moved}) for r in inputs.evaluation.rates if r.metric == metric]
    evaluation = inputs.evaluation.model_copy(update={"rates": rates})
    table = tables_of(text_report(replace(inputs, evaluation=evaluation)), "rates")["q4_k_m, generate scoring"]
    assert [row[4].tone for row in table.rows] == [tone]


def test_without_rows(sparse: ReportInputs) -> None:
    """A class without a row has no line; the others stand."""
    table = tables_of(text_report(sparse), "rates")["q8_0, generate scoring"]
    assert "Recall of DENY" not in column(table, "Rate")
    assert "Recall of REFUSE" in column(table, "Rate")


def test_what_was_mostly_unread_is_no_rate(inputs: ReportInputs) -> None:
    """Answers in a wrong form say nothing about decisions: no figure of A, no difference, but the share unread."""
    rates = [r.model_copy(update={"unread_a": r.a.rows if r.a else 0}) for r in inputs.evaluation.rates]
    evaluation = inputs.evaluation.model_copy(update={"rates": rates})
    table = tables_of(text_report(replace(inputs, evaluation=evaluation)), "rates")["q4_k_m, generate scoring"]
    for name, *cells in ([cell.text for cell in row] for row in table.rows):
        assert "%" in cells[2] or "(" in cells[2]
        assert ((cells[1], cells[3]) == ("mostly unread", "")) == (name != "Unread answers")
