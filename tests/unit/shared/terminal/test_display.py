"""Progress for people: lines in a log, a table on a terminal, and any text shown as it is."""

from __future__ import annotations

import io
import re
from contextlib import closing

import pytest
from rich.console import Console

from so8t_shared.running.events import Event, Scene
from so8t_shared.stages import STAGES
from so8t_shared.terminal.display import LineDisplay, LiveDisplay, open_display

NASTY = [
    "[/]",
    "[red]x[/red]",
    "[/red]",
    "[bold",
    "a]b[c",
    "\\[x]",
    "ends with \\",
    "{task}",
    "{0}",
    ":smile: :x:",
    "[@click=a]b[/]",
]


def _console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)


def _text(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_the_display_that_fits() -> None:
    """A table that moves for a terminal, lines for a file."""
    live = open_display(Scene(STAGES), _console(terminal=True))
    live.close()
    assert isinstance(live, LiveDisplay)
    assert isinstance(open_display(Scene(STAGES), _console(terminal=False)), LineDisplay)


def test_one_line_a_step() -> None:
    """A whole run as lines: stage, state, time it took, what was logged, the last progress."""
    console = _console(terminal=False)
    display = LineDisplay(console)
    display.hear(Event("convert-a", "reused"))
    display.hear(Event("train", "started", "retrain with SO8T gates"))
    display.hear(Event("train", "log", "96 rows"))
    display.hear(Event("train", "log", "few rows", level="WARNING"))
    for done in (1, 2, 3):
        display.hear(Event("train", "progress", "step", done, 3))
    display.hear(Event("train", "finished"))
    display.hear(Event("evaluate", "started"))
    display.hear(Event("evaluate", "failed", "The model is cut."))
    lines = [re.sub(r"\d+\.\d s", "T", line) for line in _text(console).splitlines()]
    assert lines == [
        "convert-a  reused",
        "train      running: retrain with SO8T gates",
        "train      96 rows",
        "train      warning: few rows",
        "train      1/3 step",
        "train      3/3 step",
        "train      done after T",
        "evaluate   running",
        "evaluate   failed after T: The model is cut.",
    ]


def test_what_is_waited_for() -> None:
    """A stage that another process computes says so, once, and again when that is another one."""
    console = _console(terminal=False)
    display = LineDisplay(console)
    for holder in ("host-1", "host-1", "host-2"):
        display.hear(Event("train", "waiting", f"computed by {holder}"))
    assert _text(console).splitlines() == [
        "train      waiting: computed by host-1",
        "train      waiting: computed by host-2",
    ]


def test_long_lines_stay_one_line() -> None:
    """A line longer than the console is not broken, so that it can be searched for."""
    console = _console(terminal=False)
    LineDisplay(console).hear(Event("train", "log", "x" * 1000))
    assert _text(console).count("\n") == 1


@pytest.mark.parametrize("message", NASTY)
def test_lines_show_any_text(message: str) -> None:
    """Markup, escapes and emoji names in a message are only text."""
    console = _console(terminal=False)
    display = LineDisplay(console)
    display.hear(Event("train", "started", message))
    display.hear(Event("train", "log", message))
    display.hear(Event("train", "progress", message, 1, 1))
    assert [line.endswith(message) for line in _text(console).splitlines()] == [True] * 3


@pytest.mark.parametrize("message", NASTY)
def test_the_table_shows_any_text(message: str) -> None:
    """The same in the table: nothing crashes it, and log lines above it are shown as they are."""
    console = _console(terminal=True)
    with closing(LiveDisplay(console, STAGES)) as display:
        display.hear(Event("train", "started", message))
        display.hear(Event("train", "log", message))
        display.hear(Event("train", "log", message, level="WARNING"))
        display.hear(Event("train", "waiting", message))
        display.hear(Event("train", "progress", message, 1, 3))
        display.hear(Event("train", "failed", message))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", _text(console))
    assert f"train {message}" in text
    assert f"train warning: {message}" in text
    assert text.count(message) >= 2


def test_the_table_has_a_row_a_stage() -> None:
    """All stages from the start, with what they do, their count and how they ended."""
    console = _console(terminal=True)
    with closing(LiveDisplay(console, STAGES)) as display:
        display.hear(Event("convert-a", "reused"))
        display.hear(Event("train", "started"))
        display.hear(Event("train", "progress", "step 7", 7, 60))
        display.hear(Event("convert-b", "interrupted", "its work so far is saved"))
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", _text(console)).splitlines()[-len(STAGES) :]
    assert [line.split()[1] for line in last] == [stage.name for stage in STAGES]
    rows = {line.split()[1]: line for line in last}
    assert rows["convert-a"].startswith("=")
    assert rows["convert-a"].rstrip().endswith("reused")
    assert "7/60" in rows["train"]
    assert rows["train"].rstrip().endswith("step 7")
    assert rows["convert-b"].startswith("‖")
    assert rows["report"].rstrip().endswith("charts and reports")
