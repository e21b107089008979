"""What a stage tells while it works: to the process that started it, to a terminal, to the store.

Under `so8t-ab run` each event is a JSON line on an inherited pipe; on its own (in a container) a
stage writes one plain line an event to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any, TextIO

_PIPE_VARIABLE = "SO8T_EVENT_FD"
_LINE_EVERY_S = 10.0
"""Plain lines of steps come no closer than this, but for the last: a log is read, not watched."""


class EventSink:
    """Where a stage's events go."""

    def __init__(self) -> None:
        handle = os.environ.pop(_PIPE_VARIABLE, "")
        self._pipe: TextIO | None = None
        self._shown = ""
        self._shown_at = 0.0
        if handle:
            os.set_inheritable(int(handle), False)  # or a grandchild would keep the pipe open
            self._pipe = os.fdopen(int(handle), "w", buffering=1, encoding="utf-8")

    @property
    def is_heard(self) -> bool:
        """Whether another process listens, which then tells the user how things went."""
        return self._pipe is not None

    def log(self, level: str, message: str) -> None:
        """A log line."""
        if self._pipe:
            self._send({"type": "log", "level": level, "message": message})
        else:
            print(f"{level.lower():7} {message}", file=sys.stderr, flush=True)

    def progress(self, state: str, done: int, total: int, message: str) -> None:
        """How far the stage is."""
        if self._pipe:
            self._send({"type": "progress", "state": state, "done": done, "total": total, "message": message})
        elif self._due(state if state == "running" else f"{state} {message}", last=0 < total == done):
            count = f"{done}/{total} " if total else ""
            text = message if message.startswith(state) else f"{state:7} {count}{message}"
            print(text, file=sys.stderr, flush=True)

    def _due(self, news: str, *, last: bool) -> bool:
        """Whether a plain line is wanted; counts it as shown."""
        now = time.monotonic()
        if news == self._shown and not last and now - self._shown_at < _LINE_EVERY_S:
            return False
        self._shown, self._shown_at = news, now
        return True

    def _send(self, event: dict[str, Any]) -> None:
        assert self._pipe is not None
        try:
            self._pipe.write(json.dumps(event) + "\n")
        except BrokenPipeError:
            self._pipe = None  # whoever listened is gone; the signal of its end is on its way


class SinkHandler(logging.Handler):
    """Sends log records to an event sink."""

    def __init__(self, sink: EventSink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Send one."""
        self._sink.log(record.levelname, record.getMessage())


def pipe_variables(handle: int) -> dict[str, str]:
    """Environment that tells a child the file descriptor to write events to."""
    return {_PIPE_VARIABLE: str(handle)}
