"""Baseline and control."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import Paragraph
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.evaluation import Quality


def remarks(inputs: ReportInputs) -> list[tuple[str, str]]:
    section = next(s for s in text_report(inputs).sections if s.anchor == "checks")
    return [(block.text, block.tone) for block in section.blocks if isinstance(block, Paragraph)]


def test_baseline(inputs: ReportInputs) -> None:
    """Accuracy with interval and the sizes it rests on."""
    table = tables_of(text_report(inputs), "checks")["A classifier that only counts words"]
    b = inputs.evaluation.baseline
    assert b is not None
    assert [cell.text for cell in table.rows[0]] == [
        "TF-IDF + logistic regression", "1,280", "320",
        f"{100 * b.accuracy.value:.1f}% ({100 * b.accuracy.low:.1f} to {100 * b.accuracy.high:.1f})", "0.630",
    ]  # fmt: skip


def test_b_against_the_baseline(inputs: ReportInputs) -> None:
    """Both on the same rows, with what only one of them got right, and a test that is not adjusted."""
    table = tables_of(text_report(inputs), "checks")["B against the baseline, row by row"]
    line, n = inputs.evaluation.baseline_comparison, len(inputs.test_rows)
    assert line is not None
    assert column(table, "B right") == [f"291 ({100 * 291 / n:.1f}%)"]
    assert column(table, "Gained / lost") == [f"{line.gained} / {line.lost}"]
    assert table.rows[0][5].tone == "good"
    assert "not adjusted" in table.note


def test_control_without_difference(inputs: ReportInputs) -> None:
    """A control that shows nothing is good news."""
    table = tables_of(text_report(inputs), "checks")["A against A"]
    assert column(table, "Verdict") == ["same classes"]
    assert remarks(inputs) == [
        ("Asked again in reversed order, A gave byte-identical answers to all rows, as it must.", "good")
    ]


def test_control_with_a_difference(inputs: ReportInputs) -> None:
    """Answers that differ are bad news, also where the classes do not."""
    control = inputs.evaluation.control
    assert control is not None
    changed = control.model_copy(update={"differing_answers": 20})
    evaluation = inputs.evaluation.model_copy(update={"control": changed})
    ((text, tone),) = remarks(replace(inputs, evaluation=evaluation))
    assert "cannot be trusted" in text
    assert "20 of A's 320 answers differ when asked again, 0 of them in class" in text
    assert tone == "bad"


@pytest.mark.parametrize(("reused", "told"), [(0, False), (7, True)])
def test_reused_answers_of_the_control_are_counted(inputs: ReportInputs, reused: int, told: bool) -> None:
    """The note under the table says how many answers of the second asking an earlier run was given."""
    evaluation = inputs.evaluation.model_copy(update={"control_reused": reused})
    note = tables_of(text_report(replace(inputs, evaluation=evaluation)), "checks")["A against A"].note
    assert ("7 of the 320 answers" in note) == told


def test_neither(sparse: ReportInputs) -> None:
    """What was not run is said."""
    assert [text for text, _ in remarks(sparse)] == [
        "No bag-of-words baseline was measured.",
        "No A/A control was run.",
    ]


def test_merged_answers_are_counted(inputs: ReportInputs) -> None:
    """Log-probabilities after other tokens than training's are named with their setting, if there are any."""

    def warnings(cells: list[Quality]) -> list[str]:
        changed = replace(inputs, evaluation=inputs.evaluation.model_copy(update={"cells": cells}))
        section = next(s for s in text_report(changed).sections if s.anchor == "checks")
        return [b.text for b in section.blocks if isinstance(b, Paragraph) and "Ollama joined" in b.text]

    cells = inputs.evaluation.cells
    assert warnings(cells) == []
    (found,) = warnings([cells[0].model_copy(update={"merged": 7}), *cells[1:]])
    assert f"7 of {cells[0].n} of A at {cells[0].quantization}, {cells[0].scoring} scoring" in found
