"""The log of a session's stages: its end, by level."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_dashboard.reading.state import State
from so8t_shared.sessions.log_lines import LogLine, log_lines
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.stages import BY_NAME

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
TAIL = 300
"""Lines that the page shows, from the end."""
_WARNINGS = 8


@dataclass(frozen=True)
class LogView:
    """The log's end."""

    stage: str
    stages: list[str]
    """Stages that have a log, and the one that is shown."""
    level: str
    lines: list[LogLine]
    hidden: int
    """Earlier lines of this level."""


def log_view(state: State, session_id: str, stage: str, level: str) -> LogView:
    """The end of one stage's log, or of the stage whose log was written last if none, or no such stage, is named."""
    logs = {name: found for name in BY_NAME if (found := _log(state, session_id, name))}
    latest = max(logs, key=lambda name: logs[name][-1].time, default="")
    stage = stage if stage in BY_NAME and logs else latest
    level = level if level in LEVELS else "INFO"
    shown = [line for line in logs.get(stage, []) if _rank(line) >= LEVELS.index(level)]
    stages = [name for name in BY_NAME if name in logs or name == stage]
    return LogView(stage, stages, level, shown[-TAIL:], max(0, len(shown) - TAIL))


def warnings(state: State, session_id: str) -> list[tuple[str, LogLine]]:
    """The latest warnings and errors of each stage's last attempt, with the stage; equal ones once."""
    found: dict[tuple[str, str], LogLine] = {}
    for name in BY_NAME:
        lines = _log(state, session_id, name)
        for line in lines:
            if line.attempt == lines[-1].attempt and _rank(line) >= LEVELS.index("WARNING"):
                found[name, line.message] = line
    latest = sorted(found.items(), key=lambda item: item[1].time)[-_WARNINGS:]
    return [(stage, line) for (stage, _), line in latest]


def _log(state: State, session_id: str, stage: str) -> list[LogLine]:
    data = state.store.get_bytes(f"{StageMarkers(state.store, session_id, stage).prefix}/log.jsonl")
    return log_lines(data) if data else []


def _rank(line: LogLine) -> int:
    return LEVELS.index(line.level) if line.level in LEVELS else len(LEVELS) - 1
