"""Live progress: an updating table on a terminal, one line per step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from so8t_shared.formatting import duration
from so8t_shared.running.events import Event, Listener, Scene
from so8t_shared.stages import Stage
from so8t_shared.tables.listeners import Kind
from so8t_shared.terminal.console import err

_LINE_EVERY_S = 10.0
_SYMBOLS: dict[Kind, str] = {
    "waiting": "[dim]·[/]",
    "started": "[cyan]▶[/]",
    "progress": "[cyan]▶[/]",
    "finished": "[green]✓[/]",
    "reused": "[green]=[/]",
    "failed": "[red]✗[/]",
    "interrupted": "[yellow]‖[/]",
}
_WORDS: dict[Kind, str] = {"started": "running", "finished": "done"}


def open_display(scene: Scene, console: Console = err) -> Listener:
    """The display for this kind of console."""
    return LiveDisplay(console, scene.stages) if console.is_terminal else LineDisplay(console)


class LineDisplay(Listener):
    """One line per step, for logs and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: dict[str, float] = {}
        self._shown: dict[str, float] = {}
        self._waits: dict[str, str] = {}
        """Each stage's latest waiting message."""

    def hear(self, event: Event) -> None:
        """Print state changes, log lines, changed waiting messages, and progress now and then."""
        if event.kind == "log":
            self._print(event.stage, _log_text(event))
        elif event.kind == "waiting":
            self._waiting(event)
        elif event.kind == "progress":
            self._step(event)
        else:
            self._change(event)

    def _change(self, event: Event) -> None:
        """Print a state change, with the elapsed time."""
        took = f" after {duration(time.monotonic() - self._began[event.stage])}" if event.stage in self._began else ""
        if event.kind == "started":
            self._began[event.stage] = time.monotonic()
        text = f"{_WORDS.get(event.kind, event.kind)}{took if event.kind not in {'started', 'reused'} else ''}"
        self._print(event.stage, f"{text}{': ' if event.message else ''}{event.message}")

    def _waiting(self, event: Event) -> None:
        if self._waits.get(event.stage) != event.message:
            self._waits[event.stage] = event.message
            begin = "" if event.message.startswith("waiting") else "waiting: "
            self._print(event.stage, f"{begin}{event.message}")

    def _step(self, event: Event) -> None:
        last = event.done >= event.total
        if event.total and (last or time.monotonic() - self._shown.get(event.stage, 0.0) >= _LINE_EVERY_S):
            self._shown[event.stage] = time.monotonic()
            self._print(event.stage, f"{event.done}/{event.total} {event.message}")

    def _print(self, stage: str, text: str) -> None:
        self._console.print(f"{stage:<10} {text}", markup=False, emoji=False, highlight=False, soft_wrap=True)


def _log_text(event: Event) -> str:
    return event.message if event.level == "INFO" else f"{event.level.lower()}: {event.message}"


class _MessageColumn(ProgressColumn):
    """The verbatim message: a file name may look like markup or an emoji."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["message"], style="dim")


class LiveDisplay(Listener):
    """One row with a progress bar per stage, for a terminal."""

    def __init__(self, console: Console, stages: Sequence[Stage]) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[symbol]}"),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[count]}", justify="right"),
            TimeElapsedColumn(),
            _MessageColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {
            stage.name: self._progress.add_task(
                stage.name, start=False, total=1, symbol=_SYMBOLS["waiting"], count="", message=stage.summary
            )
            for stage in stages
        }
        self._progress.start()

    def hear(self, event: Event) -> None:
        """Update a stage's row, or print a log line above the table."""
        if event.kind == "log":
            self._progress.console.print(Text.assemble((event.stage, "dim"), " ", _log_text(event)))
        elif event.kind in {"waiting", "progress"}:
            self._move(event)
        else:
            self._change(event)

    def close(self) -> None:
        """Stop updating the table."""
        self._progress.stop()

    def _move(self, event: Event) -> None:
        task = self._tasks[event.stage]
        if event.kind == "progress" and event.total:
            count = f"{event.done}/{event.total}"
            self._progress.update(task, completed=event.done, total=event.total, count=count, message=event.message)
        else:
            self._progress.update(task, message=event.message)

    def _change(self, event: Event) -> None:
        """Change a row's symbol; fill the bar of a finished stage."""
        task, ended = self._tasks[event.stage], event.kind != "started"
        self._progress.start_task(task)
        self._progress.update(task, symbol=_SYMBOLS[event.kind])
        if event.message:
            self._progress.update(task, message=event.message)
        if event.kind in {"finished", "reused"}:
            word = _WORDS.get(event.kind, event.kind)
            self._progress.update(task, message=word, total=1, completed=1, count="")
        if ended:
            self._progress.stop_task(task)
