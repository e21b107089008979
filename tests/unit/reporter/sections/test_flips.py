"""What changed, with rows to read."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.flips import GAINED_SHOWN, LOST_SHOWN, TEXT_LENGTH


def test_table(inputs: ReportInputs) -> None:
    """All flips, the most frequent first, and what each means for B."""
    c = inputs.evaluation.headline
    table = tables_of(text_report(inputs), "flips")["Answers that differ"]
    counts = [int(n) for n in column(table, "Rows")]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == sum(f.count for f in c.flips)
    effects = dict.fromkeys(("gained", "lost", "both wrong"), 0)
    for effect, n in zip(column(table, "Effect"), counts, strict=True):
        effects[effect] += n
    assert (effects["gained"], effects["lost"]) == (c.only_b_right, c.only_a_right)


def test_examples(inputs: ReportInputs) -> None:
    """Rows that B lost and gained are shown with their text and both answers; all are what they claim to be."""
    c = inputs.evaluation.headline
    tables = tables_of(text_report(inputs), "flips")
    lost = tables[f"Rows that B lost: {min(LOST_SHOWN, c.only_a_right)} of {c.only_a_right}"]
    gained = tables[f"Rows that B gained: {GAINED_SHOWN} of {c.only_b_right}"]
    assert column(lost, "A said") == column(lost, "Correct class") != column(lost, "B said")
    assert column(gained, "B said") == column(gained, "Correct class") != column(gained, "A said")
    texts = {row.id: row.text for row in inputs.test_rows}
    assert column(gained, "Text") == [texts[i] for i in column(gained, "Row")]


def test_long_text_is_shortened(inputs: ReportInputs) -> None:
    """A long row shows its beginning, in one line."""
    rows = [row.model_copy(update={"text": "word\n" * 200}) for row in inputs.test_rows]
    tables = tables_of(text_report(replace(inputs, test_rows=rows)), "flips")
    shown = next(t for caption, t in tables.items() if caption.startswith("Rows that B gained"))
    assert {len(text) for text in column(shown, "Text")} == {TEXT_LENGTH}
    assert all(text.endswith("…") and "\n" not in text for text in column(shown, "Text"))


def test_rows_from_elsewhere(inputs: ReportInputs) -> None:
    """A row that the test split does not hold is named by its id."""
    tables = tables_of(text_report(replace(inputs, test_rows=[])), "flips")
    shown = next(t for caption, t in tables.items() if caption.startswith("Rows that B gained"))
    assert set(column(shown, "Text")) == {"(text not in the test split)"}
    assert all(len(row) == 16 for row in column(shown, "Row"))


def test_nothing_changed(sparse: ReportInputs) -> None:
    """Identical answers leave one sentence."""
    section = next(s for s in text_report(sparse).sections if s.anchor == "flips")
    assert [b.text for b in section.blocks if b.kind == "paragraph"] == [
        "No class differs between A and B on any of the 25 rows; the answers are worded the same."
    ]
    assert [b.path for b in section.blocks if b.kind == "file"] == ["answers.csv"]
    assert len(section.blocks) == 2
