"""report.md and study.md: GitHub-flavored Markdown in which every value is escaped.

Everything that a template prints passes through `escape`, unless it is already marked as Markdown, so
a description or a row's text cannot break a table, start an element or inject HTML.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from so8t_reporter.document import Cell, FileLink, Picture, Report, Table
from so8t_reporter.study.document import StudyReport

_SPECIAL = re.compile(r"[\\`*\[\]|~]|<(?=[A-Za-z/!?])|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_LINE_START = re.compile(r"^(?:(\d{1,9})([.)])(?=\s|$)|([-+=#>]))")
_EMBEDDABLE = (".png", ".svg")


class MarkdownText(str):
    """Text that is already Markdown and is printed unchanged."""

    __slots__ = ()


def escape(value: object) -> str:
    """Return Markdown that shows exactly this plain text, on one line."""
    if isinstance(value, MarkdownText):
        return value
    flat = " ".join(str(value).split())
    escaped = _SPECIAL.sub(lambda match: f"\\{match[0]}", flat)
    return _LINE_START.sub(lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", escaped)


def render_markdown(report: Report | StudyReport, template: str = "report.md.j2") -> str:
    """Return the whole report; pictures are linked by relative path."""
    text = markdown_environment().get_template(template).render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def markdown_environment() -> Environment:
    """What renders Markdown templates: every value is escaped unless it is Markdown already."""
    environment = Environment(
        loader=PackageLoader("so8t_reporter"),
        autoescape=False,  # noqa: S701  `finalize` escapes for Markdown
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"table": _table, "picture": _picture, "file_link": _file_link, "fenced": fenced}
    return environment


def _table(table: Table) -> MarkdownText:
    heads = [escape(column.name) for column in table.columns]
    rules = ["---:" if column.numeric else ":---" for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return MarkdownText("\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows)))


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    return f"**{text}**" if cell.tone == "strong" and text else text


def _picture(picture: Picture) -> MarkdownText:
    target = quote(picture.path)
    if picture.path.endswith(_EMBEDDABLE):
        return MarkdownText(f"![{escape(picture.alt)}]({target})")
    return MarkdownText(f"[{escape(picture.title)}]({target})")


def _file_link(file: FileLink) -> MarkdownText:
    return MarkdownText(f"[{escape(file.path)}]({quote(file.path)})")


def fenced(text: str) -> MarkdownText:
    """Return text as a code block, fenced with more backticks than it contains."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return MarkdownText(f"{fence}\n{text.rstrip()}\n{fence}")
