"""What the process leaves behind: structured log lines without content."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_OURS = ("so8t.", "uvicorn.error")
"""Loggers whose messages are known to hold no content; of any other, only that it spoke."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


class JsonLines(logging.Formatter):
    """One JSON object per line. Of an exception only the type is written: its text may hold anything."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        known = record.name.startswith(_OURS)
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if known and not record.exc_info else f"{record.name} reports a problem",
        }
        if record.exc_info and record.exc_info[0]:
            facts["error"] = record.exc_info[0].__name__
        if known:
            facts |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        return _ENCODER.encode(facts)


def log_quietly(stream: TextIO | None = None) -> None:
    """Send all loggers' lines to a stream, standard error by default, as `JsonLines`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("so8t.think", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO)
    _leave_out_origins()
    logging.raiseExceptions = False  # a line that cannot be written is not printed with its traceback


def _leave_out_origins() -> None:
    """Have no record look for the line of code, the thread and the process that it comes from: no line names them.

    Source: "Optimization" in Python's Logging HOWTO.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
