"""Live progress of a run: a table that moves on a terminal, one line a step elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from so8t_shared.formatting import duration
from so8t_shared.stages import Stage

_LINE_EVERY_S = 10.0
_SYMBOLS = {
    "waiting": "[dim]·[/]",
    "running": "[cyan]▶[/]",
    "done": "[green]✓[/]",
    "reused": "[green]=[/]",
    "failed": "[red]✗[/]",
    "interrupted": "[yellow]‖[/]",
}


class Display(Protocol):
    """Shows what stages do."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def state(self, stage: str, state: str, message: str = "") -> None:
        """A stage changed its state."""
        ...

    def event(self, stage: str, event: dict[str, Any]) -> None:
        """A stage told something."""
        ...


def open_display(console: Console, stages: list[Stage]) -> Display:
    """The display that fits the console."""
    return LiveDisplay(console, stages) if console.is_terminal else LineDisplay(console)


class LineDisplay:
    """One line a step, for logs and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: dict[str, float] = {}
        self._shown: dict[str, float] = {}
        self._waits: dict[str, str] = {}
        """What each stage said last of what it waits for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def state(self, stage: str, state: str, message: str = "") -> None:
        """Print every change of state, with the time it took."""
        if state == "running":
            self._began[stage] = time.monotonic()
        took = f" after {duration(time.monotonic() - self._began[stage])}" if stage in self._began else ""
        text = f"{state}{took if state not in {'running', 'reused'} else ''}"
        self._print(stage, f"{text}{': ' if message else ''}{message}")

    def event(self, stage: str, event: dict[str, Any]) -> None:
        """Print log lines, what is waited for whenever that changes, and progress now and then."""
        if event["type"] == "log":
            self._print(stage, event["message"])
        elif event["state"] == "waiting":
            if self._waits.get(stage) != event["message"]:
                self._waits[stage] = event["message"]
                self._print(stage, f"waiting: {event['message']}")
        elif event["state"] == "running" and event["total"]:
            last = event["done"] >= event["total"]
            if last or time.monotonic() - self._shown.get(stage, 0.0) >= _LINE_EVERY_S:
                self._shown[stage] = time.monotonic()
                self._print(stage, f"{event['done']}/{event['total']} {event['message']}")

    def _print(self, stage: str, text: str) -> None:
        self._console.print(f"{stage:<10} {text}", markup=False, emoji=False, highlight=False, soft_wrap=True)


class _MessageColumn(ProgressColumn):
    """The message as it is: a file's name may look like markup or like an emoji."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["message"], style="dim")


class LiveDisplay:
    """A row a stage with a bar, for a terminal."""

    def __init__(self, console: Console, stages: list[Stage]) -> None:
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

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def state(self, stage: str, state: str, message: str = "") -> None:
        """Change a row's symbol; a finished one fills its bar."""
        task = self._tasks[stage]
        fields: dict[str, Any] = {"symbol": _SYMBOLS.get(state, _SYMBOLS["waiting"])}
        if message:
            fields["message"] = message
        if state == "running":
            self._progress.start_task(task)
        if state in {"done", "reused"}:
            fields.update(message="reused" if state == "reused" else "done", total=1, completed=1, count="")
        self._progress.update(task, **fields)
        if state not in {"running", "waiting"}:
            self._progress.start_task(task)
            self._progress.stop_task(task)

    def event(self, stage: str, event: dict[str, Any]) -> None:
        """Move a row's bar, or print a log line above the table."""
        if event["type"] == "log":
            self._progress.console.print(Text.assemble((stage, "dim"), " ", event["message"]))
            return
        done, total = event["done"], event["total"]
        if event["state"] == "running" and total:
            self._progress.update(
                self._tasks[stage],
                completed=done,
                total=total,
                count=f"{done}/{total}",
                message=event["message"],
            )
        elif event["state"] in {"waiting", "running"}:
            self._progress.update(self._tasks[stage], message=event["message"])
