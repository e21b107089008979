"""What quantizing costs each model."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.inputs import ReportInputs


def test_table(inputs: ReportInputs) -> None:
    """Every model, scoring and quantization but f16, against f16; right answers are those of the grid."""
    table = tables_of(text_report(inputs), "cost")["Loss by quantization, against f16"]
    assert column(table, "Model") == ["A"] * 4 + ["B"] * 4
    assert column(table, "Quantization") == ["q8_0", "q4_k_m"] * 4
    right = {(c.model, c.quantization, c.scoring): round(c.accuracy.value * c.n) for c in inputs.evaluation.cells}
    for line, row in zip(inputs.evaluation.quantization_losses, table.rows, strict=True):
        assert row[4].text.startswith(f"{right[line.model, 'f16', line.scoring]} (")
        assert row[5].text.startswith(f"{right[line.model, line.quantization, line.scoring]} (")
        gained, lost = map(int, row[7].text.split(" / "))
        assert row[6].text == (f"{100 * (gained - lost) / line.n:+.1f}" if gained != lost else "0.0")


def test_unread_answers_are_left_out(inputs: ReportInputs) -> None:
    """A model that could not be read at one of the two quantizations lost nothing that is known."""
    e = inputs.evaluation
    hidden = {("a", "f16", "generate"), ("b", "q8_0", "generate")}
    cells = [
        c.model_copy(update={"invalid": c.n}) if (c.model, c.quantization, c.scoring) in hidden else c for c in e.cells
    ]
    report = text_report(replace(inputs, evaluation=e.model_copy(update={"cells": cells})))
    table = tables_of(report, "cost")["Loss by quantization, against f16"]
    lines = list(zip(*(column(table, name) for name in ("Model", "Scoring", "Quantization")), strict=True))
    assert [q for m, s, q in lines if (m, s) == ("A", "generate")] == []
    assert [q for m, s, q in lines if (m, s) == ("B", "generate")] == ["q4_k_m"]
    assert len(lines) == 5


def test_one_quantization(sparse: ReportInputs) -> None:
    """With nothing to hold it against there is no table."""
    assert list(tables_of(text_report(sparse), "cost")) == ["One request at a time"]
