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

    Failed writes to `aside` are skipped. Other attempts' lines are read first, since a write would replace them:
    through the more patient `store` when the work starts, and if that fails, or whenever the object is no longer as we
    left it, through `aside` before a write. So an attempt that wakes up late does not erase its successor's lines.
    """

    def __init__(self, store: ArtifactStore, aside: ArtifactStore, key: str) -> None:
        self._store, self._aside, self._key = store, aside, key
        self._started = False
        self._earlier: list[tuple[int, str]] | None = None
        """Other attempts' lines; None until they are read."""
        self._etag = ""
        """Etag of the object when it was last read or written."""
        self._attempt = 0
        """Number of this attempt; 0 until its first write."""
        self._ours: set[str] = set()
        """The lines that this attempt has written."""
        self._lines: list[dict[str, Any]] = []
        self._written = 0.0

    def hear(self, event: Event) -> None:
        """Keep a line; start a new attempt when a stage's work begins."""
        if event.kind == "started":
            self._started, self._earlier, self._attempt = True, None, 0
            self._lines.clear()
            self._ours.clear()
            with suppress(ServerError, StorageError):
                self._read(self._store)
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
        stat = self._aside.stat(self._key)
        if self._earlier is None or self._etag != (stat.etag if stat else ""):
            self._read(self._aside)
        earlier = self._earlier or []
        self._attempt = self._attempt or (earlier[-1][0] + 1 if earlier else 1)
        ours = [_text({"attempt": self._attempt, **line}) for line in self._lines]
        lines = sorted([*earlier, *((self._attempt, line) for line in ours)], key=lambda numbered: numbered[0])
        data = ("\n".join(line for _, line in lines) + "\n").encode("utf-8", "backslashreplace")
        if self._etag:
            etag = self._aside.compare_and_put(self._key, data, self._etag)
        else:
            etag = self._aside.put_if_absent(self._key, data)
        if etag:  # else another attempt was faster; the next write reads its lines
            self._etag = etag
            self._ours.update(ours)

    def _read(self, store: ArtifactStore) -> None:
        """Read the lines of other attempts, and the version that they are from."""
        current = store.read_versioned(self._key)
        data, self._etag = current or (b"", "")
        self._earlier = [(number, line) for number, line in _attempts(data) if line not in self._ours]


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


def _attempts(data: bytes) -> list[tuple[int, str]]:
    """Attempt and text of each line of the last attempts."""
    lines = []
    for line in whole_objects(BytesIO(data)):
        with suppress(ValueError, KeyError, TypeError):
            lines.append((int(line["attempt"]), _text(line)))
    if not lines:
        return []
    newest = lines[-1][0]
    return [(attempt, line) for attempt, line in lines if attempt > newest - (_ATTEMPTS_KEPT - 1)]
