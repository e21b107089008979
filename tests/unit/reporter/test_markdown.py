"""report.md, read back by an independent Markdown parser."""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from tests.unit.reporter.hostile import HOSTILE, hostile_inputs, hostile_settings
from tests.unit.reporter.rendering import Rendered, text_report

from so8t_reporter.document import Column, Report, Table
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.markdown import escape, fenced, render_markdown

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def leaves(text: str) -> list[Token]:
    """All tokens, those inside lines included."""
    return [leaf for token in PARSER.parse(text) for leaf in (token, *(token.children or []))]


def shown(text: str) -> str:
    """The text that a reader sees."""
    return "".join(leaf.content for leaf in leaves(text) if leaf.type == "text")


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE,
        "plain",
        "q4_k_m",
        "_x_",
        "a_",
        "1. one",
        "- one",
        "# one",
        "+4.8",
        "= x",
        "p < 0.001",
        "5 > 3",
        "> quote",
        "~~no~~",
        "a\\b",
        "&amp; & x",
    ],
)
def test_escape_shows_exactly_the_text(text: str) -> None:
    """Whatever the text is, a reader sees it unchanged (white space aside) and no element comes of it."""
    flat = " ".join(text.split())
    for place in ("{}", "| a |\n| --- |\n| {} |", "- x: {}"):
        escaped = place.format(escape(text))
        tokens = leaves(escaped)
        assert not [
            t
            for t in tokens
            if t.type.startswith(("html", "code", "link", "image", "em_", "strong_", "s_", "heading", "blockquote"))
        ]
        assert flat in shown(escaped)


def test_ordinary_text_stays_readable() -> None:
    """Names and figures are not littered with backslashes."""
    for text in ("borea-phi35-so8t-base:q4_k_m", "p < 0.001", "95% CI -1.2 to +3.4 (n = 320)", "12 of 15; both"):
        assert escape(text) == text


def table_shapes(text: str) -> list[tuple[list[str], list[list[str]]]]:
    """(headings, rows) of every table."""
    tables: list[tuple[list[str], list[list[str]]]] = []
    for before, token in pairwise(PARSER.parse(text)):
        if before.type == "table_open":
            tables.append(([], []))
        elif before.type == "th_open":
            tables[-1][0].append(shown_inline(token))
        elif before.type == "tr_open" and token.type == "td_open":
            tables[-1][1].append([])
        if before.type == "td_open":
            tables[-1][1][-1].append(shown_inline(token))
    return tables


def shown_inline(token: Token) -> str:
    return "".join(child.content for child in token.children or [] if child.type == "text")


def _tables(report: Report) -> list[Table]:
    return [block for section in report.sections for block in section.blocks if isinstance(block, Table)]


def test_every_table_survives(rendered: Rendered) -> None:
    """Each table of the document arrives with all rows and columns and the same texts."""
    parsed = table_shapes(rendered.text("report.md"))[1:]
    tables = _tables(rendered.report)
    assert len(parsed) == len(tables) >= 12
    for (heads, rows), table in zip(parsed, tables, strict=True):
        assert heads == [column.name for column in table.columns]
        assert rows == [[" ".join(cell.text.split()) for cell in row] for row in table.rows]


def test_hostile_text_stays_text(inputs: ReportInputs) -> None:
    """Descriptions, rows, hosts, reasons and settings can neither break a table nor bring HTML, links or code."""
    report = text_report(hostile_inputs(inputs), hostile_settings())
    text = render_markdown(report)
    found = [t for t in leaves(text) if t.type.startswith(("html", "code_inline", "link"))]
    links = [t.attrGet("href") for t in found if t.type != "link_close"]
    assert links == ["explorer.html", "answers.csv", "verify_a.json", "verify_b.json"]
    for heads, rows in table_shapes(text):
        assert {len(row) for row in rows} == {len(heads)}
    for payload in HOSTILE:
        assert " ".join(payload.split()) in shown(text)


def test_pictures_exist(rendered: Rendered) -> None:
    """Every linked picture is a file of the report, and every picture is linked."""
    targets = re.findall(r"!\[[^\n]*\]\(([^)]+)\)", rendered.text("report.md"))
    assert sorted(targets) == sorted(p.path for p in rendered.report.pictures.values())
    assert all((rendered.folder / unquote(target)).is_file() for target in targets)


def test_code_keeps_its_lines() -> None:
    """Code blocks are fenced beyond any fence that they hold."""
    code = "seed: 1\n```\nstill code\n```"
    (token,) = [t for t in PARSER.parse(fenced(code)) if t.type == "fence"]
    assert token.content.rstrip("\n") == code


def test_all_sections_have_headings(rendered: Rendered) -> None:
    """The report's sections appear in order, then where it comes from."""
    heads = [line.removeprefix("## ") for line in rendered.text("report.md").splitlines() if line.startswith("## ")]
    assert heads == [*(section.title for section in rendered.report.sections), "Where this report comes from"]


def test_numeric_columns_are_right_aligned(rendered: Rendered) -> None:
    """Alignment follows the kind of column."""
    table = next(t for t in _tables(rendered.report) if t.caption == "Rows per class")
    assert table.columns[:2] == [Column("Class", numeric=False), Column("Trained on")]
    lines = rendered.text("report.md").splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("| Class | Trained on"))
    assert lines[place + 1] == "| :--- |" + " ---: |" * (len(table.columns) - 1)
    assert not any(column.numeric for column in table.columns[:1])
    assert all(column.numeric for column in table.columns[1:])
