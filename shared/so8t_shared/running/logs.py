"""The log of a stage: JSON lines kept with the session, the last attempts only.

Values that look like credentials of this process never reach a log.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

from so8t_shared.errors import Interrupted, ServerError, So8tError, StorageError
from so8t_shared.host import now
from so8t_shared.json_files import whole_objects
from so8t_shared.redaction import without_secrets
from so8t_shared.running.events import EventSink
from so8t_shared.store.base import ArtifactStore

_ATTEMPTS_KEPT = 5
_FLUSH_EVERY_S = 5.0


class _StageLogHandler(logging.Handler):
    """Keeps the attempt's lines in memory and writes the whole log object every few seconds."""

    def __init__(self, store: ArtifactStore, key: str, sink: EventSink, earlier: list[tuple[int, str]]) -> None:
        super().__init__()
        self._store, self._key, self._sink = store, key, sink
        self._earlier = earlier
        self._attempt = self._earlier[-1][0] + 1 if self._earlier else 1
        self._lines: list[str] = []
        self._written = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        message = without_secrets(record.getMessage())
        line = {"attempt": self._attempt, "time": now(), "level": record.levelname, "message": message}
        if record.exc_info:
            line["traceback"] = without_secrets(logging.Formatter().formatException(record.exc_info))
        self._lines.append(_text(line))
        if record.levelno >= logging.INFO and not getattr(record, "quiet", False):
            self._sink.log(record.levelname, message)
        if time.monotonic() - self._written > _FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        self._written = time.monotonic()
        kept = [line for _, line in self._earlier] + self._lines
        with suppress(ServerError, StorageError):  # a log must not end the work it tells of
            self._store.put_bytes(self._key, ("\n".join(kept) + "\n").encode("utf-8", "backslashreplace"))


@contextmanager
def stage_log(
    store: ArtifactStore, key: str, stage: str, sink: EventSink, *, patient: ArtifactStore | None = None
) -> Iterator[logging.Logger]:
    """A logger whose lines go to the sink and to the object `key`.

    A write that `store` refuses is left out. What earlier attempts wrote is read once, through `patient`
    where that is another one: lines that were not read would be overwritten.

    Raises:
        ServerError: the earlier lines cannot be read.
    """
    logger = logging.getLogger(f"so8t.{stage}")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler = _StageLogHandler(store, key, sink, _earlier_attempts(patient or store, key))
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.flush()


def log_end(log: logging.Logger, error: BaseException) -> None:
    """Log why an attempt ended without a result; the traceback is for those who ask for debug lines.

    Nothing of it reaches the sink: whoever ends the process tells it there.
    """
    if isinstance(error, Interrupted):
        log.info("%s", "\n".join(error.lines()), extra={"quiet": True})
    elif isinstance(error, So8tError):
        log.error("%s", "\n".join(error.lines()), extra={"quiet": True})
    else:
        text = f"Unexpected {type(error).__name__}: {error}\n  to do: 'so8t-ab logs STAGE --all' shows the traceback"
        log.error("%s", text, extra={"quiet": True})
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
