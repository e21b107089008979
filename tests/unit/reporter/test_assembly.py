"""The document: its parts in order, and that both reports can rely on its tables."""

from __future__ import annotations

from tests.unit.reporter.rendering import text_report

from so8t_reporter.document import Report, Table
from so8t_reporter.inputs import ReportInputs


def test_sections_in_order(report: Report) -> None:
    """The answer first, then what supports it, then how it was made."""
    assert [section.anchor for section in report.sections] == [
        "gate", "plan", "rates", "grid", "classes", "by-language", "by-category", "flips", "unread", "cost", "training",
        "data", "checks", "conversion", "handover", "method", "reproduction",
    ]  # fmt: skip


def test_every_row_has_every_column(report: Report, sparse: ReportInputs) -> None:
    """No table has a row that is too short or too long, in any report."""
    tables = [
        block
        for one in (report, text_report(sparse))
        for section in one.sections
        for block in section.blocks
        if isinstance(block, Table)
    ]
    assert len(tables) >= 20
    for table in tables:
        assert table.rows, table.caption
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.caption


def test_every_picture_has_a_place(report: Report) -> None:
    """All pictures but the main one, which stands on the first screen, belong to a section."""
    placed = [block.name for section in report.sections for block in section.blocks if block.kind == "picture"]
    assert sorted([*placed, "metrics_comparison"]) == sorted(report.pictures)
