"""What was trained on and what was left out."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.reporter.builders import ended_after
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import Facts, Paragraph
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.data import data_section


def test_exclusions(inputs: ReportInputs) -> None:
    """Every reason with its count, the most frequent first."""
    table = tables_of(text_report(inputs), "data")["Left out"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["personal data", "3"],
        ["nsfw labeled ALLOW", "2"],
        ["secret", "1"],
    ]


def test_classes(inputs: ReportInputs) -> None:
    """Rows trained on, held out and asked, class by class, also of a class that should not be there."""
    table = tables_of(text_report(inputs), "data")["Rows per class"]
    assert column(table, "Trained on") == ["320"] * 4
    assert column(table, "Validation") == ["35"] * 4
    assert column(table, "Asked") == ["84", "78", "80", "78"]
    odd = replace(inputs, data=inputs.data.model_copy(update={"train": {"OTHER": 3}}))
    table = tables_of(text_report(odd), "data")["Rows per class"]
    assert column(table, "Class") == ["ALLOW", "ESCALATION", "DENY", "REFUSE", "OTHER"]
    assert column(table, "Trained on") == ["0"] * 4 + ["3"]


def test_balanced_choice(inputs: ReportInputs) -> None:
    """Where not every held-out row was asked, it is said that accuracy is one on balanced classes."""
    held_out = inputs.data.model_copy(update={"test": {"ALLOW": 900, "ESCALATION": 34, "DENY": 33, "REFUSE": 33}})
    shown = [
        [b.text for b in section.blocks if isinstance(b, Paragraph)]
        for given in (inputs, replace(inputs, data=held_out))
        for section in text_report(given).sections
        if section.anchor == "data"
    ]
    assert shown[0] == []
    assert shown[1][0].startswith("320 of the 1,000 held-out rows were chosen (ab_test.max_samples)")
    assert "not for the mix of all held-out rows" in shown[1][0]


def test_an_early_end(inputs: ReportInputs) -> None:
    """Rows that were not asked because everything was decided are told apart from rows that were not chosen."""
    evaluation = inputs.evaluation.model_copy(update={"until_decided": ended_after(320, 400)})
    held_out = inputs.data.model_copy(update={"test": {"ALLOW": 900}})
    blocks = data_section(replace(inputs, data=held_out, evaluation=evaluation)).blocks
    chosen, asked = (block.text for block in blocks if isinstance(block, Paragraph))
    assert chosen.startswith("400 of the 900 held-out rows were chosen")
    assert "stopped after 320 of 400 rows; 80 rows saved" in asked


def test_sources(inputs: ReportInputs) -> None:
    """License and provenance are shown; what a source does not state is called that."""
    data = inputs.data.model_copy(update={"sources": {**inputs.data.sources, "b.csv": {"rows": "7"}}})
    table = tables_of(text_report(replace(inputs, data=data)), "data")["Sources"]
    assert column(table, "Source") == ["b.csv", "data/train.jsonl"]
    assert column(table, "License") == ["not stated", "apache-2.0"]


def test_terms_of_sources(inputs: ReportInputs) -> None:
    """Only where a source declares some: the digest of its terms, notes on the license, and what robots.txt asked."""
    assert "Terms" not in [c.name for c in tables_of(text_report(inputs), "data")["Sources"].columns]
    terms = {"license_file": "T.txt", "license_sha256": "ab" * 32, "license_notes": "ask first", "robots": "allowed"}
    data = inputs.data.model_copy(update={"sources": {**inputs.data.sources, "b.csv": {"rows": "7", **terms}}})
    table = tables_of(text_report(replace(inputs, data=data)), "data")["Sources"]
    assert column(table, "Terms") == ["T.txt (sha256 abababababab); ask first; robots: allowed", ""]


def test_facts(inputs: ReportInputs) -> None:
    """Totals and languages."""
    section = next(s for s in text_report(inputs).sections if s.anchor == "data")
    (facts,) = [dict(block.items) for block in section.blocks if isinstance(block, Facts)]
    assert facts["Rows left out"] == "6 (0.4%)"
    assert facts["Languages"] == "en 790, ja 810"
    assert facts["Exact duplicates removed"] == "14"


def test_nothing_left_out(inputs: ReportInputs) -> None:
    """An empty list of reasons is a sentence, and no row read has no share."""
    data = inputs.data.model_copy(update={"excluded": {}, "rows_read": 0})
    section = next(s for s in text_report(replace(inputs, data=data)).sections if s.anchor == "data")
    assert "No row was left out." in [b.text for b in section.blocks if isinstance(b, Paragraph)]
    (facts,) = [dict(block.items) for block in section.blocks if isinstance(block, Facts)]
    assert facts["Rows left out"] == "0 (undefined (n = 0))"


def test_rows_with_more_than_a_text(inputs: ReportInputs) -> None:
    """Thinking roles in their order, turns, words for labels, unused fields and the validation side."""
    more = {
        "thinking": {"task": 900, "<think>": 3},
        "with_turns": 12,
        "unused": {"id": 960},
        "label_words": {"拒否 = DENY": 7},
        "validation": {"ALLOW": 5, "DENY": 4},
    }
    report = text_report(replace(inputs, data=inputs.data.model_copy(update=more)))
    section = next(s for s in report.sections if s.anchor == "data")
    (facts,) = [dict(block.items) for block in section.blocks if isinstance(block, Facts)]
    assert facts["Thinking roles"] == "task 900, <think> 3"
    assert facts["Rows with a system prompt or earlier turns"] == "12"
    assert (facts["Labels by words"], facts["Fields not used"]) == ("拒否 = DENY 7", "id 960")
    assert column(tables_of(report, "data")["Rows per class"], "Validation") == ["5", "0", "4", "0"]
    plain = next(s for s in text_report(inputs).sections if s.anchor == "data")
    (facts,) = [dict(block.items) for block in plain.blocks if isinstance(block, Facts)]
    assert "Fields not used" not in facts
