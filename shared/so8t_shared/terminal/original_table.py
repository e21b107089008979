"""The table of what became of the keys of an original file."""

from __future__ import annotations

from typing import Any

import yaml
from rich.table import Table
from rich.text import Text

from so8t_shared.config.original.form import Line, Translation
from so8t_shared.escapes import visible


def original_table(translation: Translation) -> Table:
    """One row per key: the key, its value, and what it becomes or why it has no effect."""
    table = Table(
        box=None, padding=(0, 2, 0, 0), title=Text(visible(str(translation.file)), style="bold"), title_justify="left"
    )
    for heading in ("key", "value", "here"):
        table.add_column(heading, overflow="fold")
    for line in translation.lines:
        table.add_row(*(Text(visible(text)) for text in (line.key, _short(line.value), _here(line))))
    return table


def _here(line: Line) -> str:
    if not line.becomes:
        return f"no effect: {line.why}"
    return line.becomes if line.result == line.value else f"{line.becomes}: {_short(line.result)}"


def _short(value: Any) -> str:
    """The value as YAML writes it in a line."""
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
    )
