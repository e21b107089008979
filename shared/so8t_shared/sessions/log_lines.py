"""Lines of a stage's log."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from so8t_shared.json_files import whole_objects


@dataclass(frozen=True)
class LogLine:
    """One line of log.jsonl."""

    time: str
    attempt: int
    level: str
    message: str
    traceback: str = ""


def log_lines(data: bytes) -> list[LogLine]:
    """All complete lines of log.jsonl, oldest first; a partial one is skipped."""
    return [
        LogLine(
            str(line["time"]), line["attempt"], str(line["level"]), str(line["message"]), str(line.get("traceback", ""))
        )
        for line in whole_objects(BytesIO(data))
        if {"time", "attempt", "level", "message"} <= set(line)
    ]
