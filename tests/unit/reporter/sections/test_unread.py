"""Answers without a class, to read."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.unit.reporter.hostile import HOSTILE
from tests.unit.reporter.rendering import column, render, tables_of, text_report

from so8t_reporter.document import Table
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.unread import SHOWN, TEXT_LENGTH
from so8t_shared.labels import INVALID


def _with_text(inputs: ReportInputs, **update: object) -> ReportInputs:
    return replace(inputs, samples=[sample.model_copy(update=update) for sample in inputs.samples])


def _table(inputs: ReportInputs) -> Table:
    (table,) = tables_of(text_report(inputs), "unread").values()
    return table


def test_three_of_every_setting(inputs: ReportInputs) -> None:
    """Each model, quantization and scoring with an unread answer has up to three, beside the number of all."""
    unread = [s for s in inputs.samples if s.predicted == INVALID]
    counts = Counter((s.model.upper(), s.quantization, s.scoring) for s in unread)
    table = _table(inputs)
    shown = Counter(zip(column(table, "Model"), column(table, "Quantization"), column(table, "Scoring"), strict=True))
    assert shown == {group: min(SHOWN, n) for group, n in counts.items()}
    assert set(column(table, "Row")) <= {s.row_id for s in unread}


def test_what_was_written(inputs: ReportInputs) -> None:
    """In one line, shortened, with control characters shown as such; without a text it says why."""
    table = _table(_with_text(inputs, text="first\nsecond\x1b[0m", lenient="DENY"))
    assert set(column(table, "Wrote")) == {r"first second\x1b[0m"}
    assert set(column(table, "Leniently")) == {"DENY"}
    long = column(_table(_with_text(inputs, text="word " * 300)), "Wrote")
    assert {len(text) for text in long} == {TEXT_LENGTH}
    for update, words in (
        ({}, "(nothing kept)"),
        ({"thinking_chars": 9}, "(thinking only)"),
        ({"over_long": True}, "(over-long, not asked)"),
    ):
        assert set(column(_table(_with_text(inputs, text="", **update)), "Wrote")) == {words}


def test_markup_is_text(inputs: ReportInputs, tmp_path: Path) -> None:
    """What a model wrote cannot become markup in the HTML report."""
    html = render(_with_text(inputs, text=HOSTILE[0]), tmp_path).text("report.html")
    assert HOSTILE[0] not in html
    assert "&lt;script&gt;alert(1)" in html


def test_all_read(sparse: ReportInputs) -> None:
    """No section if every answer has a class."""
    read = [s.model_copy(update={"predicted": "DENY"}) for s in sparse.samples]
    assert "unread" not in {section.anchor for section in text_report(replace(sparse, samples=read)).sections}
