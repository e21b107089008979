"""The log of a stage: JSON lines of its last attempts, kept with the session."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

from so8t_shared.endings import text_of
from so8t_shared.errors import Interrupted, ServerError, StorageError
from so8t_shared.host import now
from so8t_shared.json_files import whole_objects
from so8t_shared.running.events import Audience, Event, Listener, Scene
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.store.base import ArtifactStore

_ATTEMPTS_KEPT = 5
_FLUSH_EVERY_S = 5.0


class LogFile(Listener):
    """log.jsonl: keeps the attempt's lines in memory and writes the whole object every few seconds.

    Failed writes to `aside` are skipped. Earlier attempts' lines are read first, since a write would replace them:
    through the more patient `store` when the work starts, and if that fails, through `aside` before each write.
    """

    def __init__(self, store: ArtifactStore, aside: ArtifactStore, key: str) -> None:
        self._store, self._aside, self._key = store, aside, key
        self._started = False
        self._earlier: list[tuple[int, str]] | None = None
        """Earlier attempts' lines; None until they are read."""
        self._lines: list[dict[str, Any]] = []
        self._written = 0.0

    def hear(self, event: Event) -> None:
        """Keep a line; start a new attempt when a stage's work begins."""
        if event.kind == "started":
            self._started, self._earlier = True, None
            self._lines.clear()
            with suppress(ServerError, StorageError):
                self._earlier = _earlier_attempts(self._store, self._key)
            return
        line: dict[str, Any] = {"time": now(), "level": event.level, "message": event.message}
        if event.traceback:
            line["traceback"] = event.traceback
        self._lines.append(line)
        if time.monotonic() - self._written > _FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write all lines."""
        self._written = time.monotonic()
        if self._started:
            with suppress(ServerError, StorageError):  # a log must not end the work that it describes
                self._write()

    def _write(self) -> None:
        if self._earlier is None:
            self._earlier = _earlier_attempts(self._aside, self._key)
        attempt = self._earlier[-1][0] + 1 if self._earlier else 1
        kept = [line for _, line in self._earlier] + [_text({"attempt": attempt, **line}) for line in self._lines]
        self._aside.put_bytes(self._key, ("\n".join(kept) + "\n").encode("utf-8", "backslashreplace"))


def open_log_file(scene: Scene) -> LogFile:
    """The log of this scene's stage."""
    assert scene.work
    work = scene.work
    prefix = StageMarkers(work.store, work.session.session_id, scene.stages[0].name).prefix
    return LogFile(work.store, work.aside, f"{prefix}/log.jsonl")


class ToReporter(logging.Handler):
    """Reports log records; those below INFO and quiet ones reach only later readers of the session."""

    def __init__(self, reporter: ProgressReporter, audience: Audience = "all") -> None:
        super().__init__()
        self._reporter = reporter
        self._audience = audience

    def emit(self, record: logging.LogRecord) -> None:
        """Report one record."""
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        quiet = record.levelno < logging.INFO or getattr(record, "quiet", False)
        self._reporter.log(
            record.levelname,
            record.getMessage(),
            traceback=trace,
            audience="session" if quiet else self._audience,
        )


@contextmanager
def stage_logger(reporter: ProgressReporter, stage: str) -> Iterator[logging.Logger]:
    """A logger whose lines go to the reporter."""
    logger = logging.getLogger(f"so8t.{stage}")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler = ToReporter(reporter)
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)


def log_end(log: logging.Logger, error: BaseException) -> None:
    """Log why an attempt ended without a result; the traceback is a debug line.

    Prints nothing: the code that ends the process does that.
    """
    level = logging.INFO if isinstance(error, Interrupted) else logging.ERROR
    text = text_of(error, remedy="'so8t-ab logs STAGE --all' shows the traceback")
    log.log(level, "%s", text, extra={"quiet": True})
    log.debug("The attempt ended here.", exc_info=error)


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False)


def _earlier_attempts(store: ArtifactStore, key: str) -> list[tuple[int, str]]:
    data = store.get_bytes(key)
    lines = []
    for line in whole_objects(BytesIO(data or b"")):
        with suppress(ValueError, KeyError, TypeError):
            lines.append((int(line["attempt"]), _text(line)))
    if not lines:
        return []
    newest = lines[-1][0]
    return [(attempt, line) for attempt, line in lines if attempt > newest - (_ATTEMPTS_KEPT - 1)]
