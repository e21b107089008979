"""The grid, the comparisons and the classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.quality import reach_of
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import Verdict


def test_comparisons(inputs: ReportInputs) -> None:
    """A row a quantization and scoring in a fixed order, with counts, interval, p value and verdict."""
    table = tables_of(text_report(inputs), "grid")["B against A"]
    assert list(zip(column(table, "Quantization"), column(table, "Scoring"), strict=True)) == [
        (q, s) for q in ("f16", "q8_0", "q4_k_m") for s in ("generate", "constrained")
    ]
    c = inputs.evaluation.headline
    row = [cell.text for cell in table.rows[4]]
    d = c.accuracy_difference
    assert row[2:6] == [
        "B better",
        f"{100 * c.accuracy_a:.1f}%",
        f"{100 * c.accuracy_b:.1f}%",
        f"{100 * d.value:+.1f} ({100 * d.low:+.1f} to {100 * d.high:+.1f})",
    ]
    assert row[7:9] == [f"{c.only_b_right} / {c.only_a_right}", "< 0.001"]
    assert [cell[0].tone for cell in table.rows].index("strong") == 4


def test_a_model_that_could_not_be_read_has_no_accuracy(inputs: ReportInputs) -> None:
    """Nothing was compared then: neither a share nor a difference or p is shown."""
    e = inputs.evaluation
    unread = {"unread_a": e.headline.n, "verdict": Verdict.MOSTLY_UNREAD}
    comparisons = [c.model_copy(update=unread) if c == e.headline else c for c in e.comparisons]
    evaluation = e.model_copy(update={"comparisons": comparisons})
    table = tables_of(text_report(replace(inputs, evaluation=evaluation)), "grid")["B against A"]
    row = [cell.text for cell in table.rows[4]]
    assert row[2:] == ["mostly unread", "mostly unread", f"{100 * e.headline.accuracy_b:.1f}%", "", "", "", ""]


def test_a_cell_that_could_not_be_read_has_no_accuracy(inputs: ReportInputs) -> None:
    """Neither in the grid nor class by class: wrong form says nothing about decisions."""
    e = inputs.evaluation
    cells = [c.model_copy(update={"invalid": c.n}) if c.model == "a" else c for c in e.cells]
    report = text_report(replace(inputs, evaluation=e.model_copy(update={"cells": cells})))
    grid = tables_of(report, "grid")["Each model on its own"]
    assert column(grid, "Accuracy (95% CI)")[::2] == ["mostly unread"] * 6
    assert column(grid, "Macro-F1")[::2] == [""] * 6
    assert "mostly unread" not in column(grid, "Accuracy (95% CI)")[1::2]
    classes = tables_of(report, "classes")["Precision, recall and F1, q4_k_m, generate scoring"]
    for name in ("Precision", "Recall", "F1"):
        assert column(classes, f"{name} A") == ["mostly unread"] * 4
        assert "mostly unread" not in column(classes, f"{name} B")


def test_second_looks_are_counted(inputs: ReportInputs) -> None:
    """Answers for which a label had to be asked for by itself, and those with a bound alone; without any, no word."""
    looked = [
        s.model_copy(update={"second_look": i < 7, "upper_bounds": ["DENY"] if i < 3 else []})
        for i, s in enumerate(inputs.samples)
    ]
    notes = [
        tables_of(text_report(one), "grid")["Each model on its own"].note
        for one in (inputs, replace(inputs, samples=looked))
    ]
    assert "Second looks" not in notes[0]
    assert "for 7 answers" in notes[1]
    assert "for 3 only an upper bound" in notes[1]


def test_grid(inputs: ReportInputs) -> None:
    """Every cell has its row with the Wilson interval."""
    table = tables_of(text_report(inputs), "grid")["Each model on its own"]
    assert len(table.rows) == len(inputs.evaluation.cells) == 12
    assert column(table, "Model") == ["A", "B"] * 6
    expected = {
        f"{100 * c.accuracy.value:.1f}% ({100 * c.accuracy.low:.1f} to {100 * c.accuracy.high:.1f})"
        for c in inputs.evaluation.cells
    }
    assert set(column(table, "Accuracy (95% CI)")) == expected
    assert column(table, "Invalid")[0] == str(inputs.evaluation.cells[0].invalid)


def test_why_answers_are_invalid(inputs: ReportInputs) -> None:
    """Cut and over-long ones are distinguished from nonsense, and a limit shorter than what was taught is named."""
    first = inputs.evaluation.cells[0].model_copy(update={"invalid": 9, "cut": 4, "over_long": 2})
    limit = AnswerLimit(max_new_tokens=48, longest_target_tokens=120)
    changes = {"cells": [first, *inputs.evaluation.cells[1:]], "answer_limit": limit}
    evaluation = inputs.evaluation.model_copy(update=changes)
    table = tables_of(text_report(replace(inputs, evaluation=evaluation)), "grid")["Each model on its own"]
    assert "9 (4 cut, 2 over-long)" in column(table, "Invalid")
    assert (
        "The token limit is 48; the longest answer that B was trained on has 120 tokens, so the limit is too low"
        in table.note
    )


def test_classes(inputs: ReportInputs) -> None:
    """Precision, recall and F1 of both models, class by class, for each scoring."""
    tables = tables_of(text_report(inputs), "classes")
    table = tables["Precision, recall and F1, q4_k_m, generate scoring"]
    cell = next(
        c for c in inputs.evaluation.cells if (c.model, c.quantization, c.scoring) == ("b", "q4_k_m", "generate")
    )
    assert column(table, "Class") == ["ALLOW", "ESCALATION", "DENY", "REFUSE"]
    assert column(table, "Rows") == ["84", "78", "80", "78"]
    for name, key in (("Precision B", "precision"), ("Recall B", "recall"), ("F1 B", "f1")):
        assert column(table, name) == [f"{getattr(m, key):.3f}" for m in cell.per_class.values()]
    assert tables["Precision, recall and F1, q4_k_m, constrained scoring"].folded


def test_recall_without_rows_is_undefined(sparse: ReportInputs) -> None:
    """A class without a row has no recall."""
    tables = tables_of(text_report(sparse), "classes")
    recalls = column(tables["Precision, recall and F1, q8_0, generate scoring"], "Recall A")
    assert recalls[2] == "undefined (n = 0)"
    assert recalls[0] == f"{sparse.evaluation.cells[0].per_class['ALLOW'].recall:.3f}"


def test_reach() -> None:
    """A track holds the widest of its intervals, and is not blown up for tiny ones."""
    assert reach_of([Interval(value=0, low=-0.3, high=0.1), Interval(value=0, low=0, high=0.2)]) == pytest.approx(0.33)
    assert reach_of([Interval(value=0, low=0, high=0)]) == reach_of([]) == 0.05
