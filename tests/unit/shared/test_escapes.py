"""Foreign text that is printed or logged."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress
from rich.table import Table

from so8t_shared.escapes import harmless, visible
from so8t_shared.terminal.console import PatientConsole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 日本語\u3000é", "plain 日本語\u3000é"),
        ("\x1b[31m\x07", r"\x1b[31m\x07"),
        ("a\r\nb\x9b", r"a\r\nb\x9b"),
        ("\u202e\u200b\u2028", r"\u202e\u200b\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    """Nothing in it controls a terminal or hides."""
    assert visible(text) == shown


@given(st.text())
def test_lines_stay(text: str) -> None:
    """Line breaks and tabs stay, all else is as in one line; what is harmless already does not change."""
    assert harmless(text) == "".join(c if c in "\n\t" else visible(c) for c in text)
    assert harmless(harmless(text)) == harmless(text)


@given(st.text(alphabet=st.characters(categories=["Cc", "Cf", "Lo", "Zl"])))
def test_a_console_prints_no_control_characters(text: str) -> None:
    """Alone or in a table, on a terminal or not, only rich controls the terminal."""
    for terminal in (False, True):
        file = io.StringIO()
        console = PatientConsole(file=file, force_terminal=terminal, width=5000, color_system=None, soft_wrap=True)
        table = Table()
        table.add_row(visible(text))
        console.print(text, markup=False, highlight=False)
        console.print(table)
        assert set(file.getvalue()) - set("\n\t") == set(harmless(file.getvalue())) - set("\n\t")


def test_progress_still_moves_the_cursor() -> None:
    """What rich itself sends to the terminal passes."""
    file = io.StringIO()
    with Progress(console=PatientConsole(file=file, force_terminal=True, width=80)) as progress:
        progress.add_task("a\x1b[2J")
    assert "\x1b[?25l" in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()
