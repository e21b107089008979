"""What is in some rows, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from so8t_shared import formatting as fmt
from so8t_shared.escapes import visible
from so8t_shared.results.data_check import DataCheck, TokenNeeds


def data_tables(check: DataCheck) -> RenderableType:
    """The files, the counts and the faults."""
    files = _table("file", "rows", "shape", "encoding")
    for file in check.files:
        files.add_row(*map(_text, (file.path, f"{file.rows:,}", file.shape, file.encoding or "-")))
    facts = _table("rows", "")
    for name, value in _facts(check):
        facts.add_row(_text(name), _text(value))
    return Group(files, "", facts, *_faults(check))


def _facts(check: DataCheck) -> Iterator[tuple[str, str]]:
    yield "usable", fmt.count(check.rows)
    yield "by class", _counts(check.by_label)
    yield "by language", _counts(check.by_language)
    yield "marked", _counts(check.marked)
    if check.named_groups:
        yield "named groups", f"{check.named_groups:,}, the largest of {check.largest_group:,} rows"
    yield "thinking roles", _counts(check.thinking)
    if check.reasoning:
        yield "read as thinking", _counts(check.reasoning)
    yield "system prompts", fmt.count(check.with_system)
    yield "earlier turns", fmt.count(check.with_turns)
    if check.label_words:
        yield "labels by words", _counts(check.label_words)
    yield "not used", _counts(check.unused)
    for side, counts in check.sides.items():
        yield f"{side} rows", f"{sum(counts.values()):,} ({_counts(counts)})"
    if check.sides:
        yield "groups", fmt.count(check.groups)
        yield "exact duplicates", fmt.count(check.duplicates)
        yield "left out", _counts(check.excluded)
    if check.refused:
        yield "a run would end", check.refused
    for note in check.notes:
        yield "note", note
    if check.tokens:
        yield from _tokens(check.tokens)


def _tokens(needs: TokenNeeds) -> Iterator[tuple[str, str]]:
    longest = f"prompt {needs.longest_prompt:,}, answer {needs.longest_answer:,}, row {needs.longest_row:,}"
    yield "longest, in tokens", longest
    yield "longer than training.max_length", f"{needs.too_long:,} (max_length {needs.max_length:,})"
    context = f"answers of {needs.max_new_tokens:,} tokens in a context of {needs.num_ctx:,}"
    if needs.model_context is not None:
        context += f"; the model has {needs.model_context:,}"
    yield "the test", context


def _faults(check: DataCheck) -> Iterator[RenderableType]:
    if not check.faults:
        return
    yield ""
    faults = _table("fault", "rows", "where", "to do")
    for fault in check.faults:
        more = fault.count - len(fault.places)
        places = "\n".join([*map(visible, fault.places), *([f"and {more:,} more"] if more else [])])
        faults.add_row(_text(fault.what, "red"), f"{fault.count:,}", Text(places), _text(fault.remedy))
    yield faults


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)
