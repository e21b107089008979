"""Progress of a stage: cheap to report at every step, written out a few times a minute."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cached_property
from typing import Literal

from so8t_shared.errors import ServerError, StorageError
from so8t_shared.host import host_name, now
from so8t_shared.redaction import without_secrets
from so8t_shared.running.events import EventSink
from so8t_shared.sessions.markers import ProgressRecord, StageMarkers

State = Literal["waiting", "running", "done", "failed", "interrupted"]

_PIPE_EVERY_S = 0.2
_STORE_EVERY_S = 2.0


class ProgressReporter:
    """Sends progress to the event sink and to progress.json, each at its own pace.

    progress.json is one for all hosts, and belongs to the one that computes: an attempt that does not
    (it waits for the other one, or failed before it could) leaves it as it is.
    """

    def __init__(self, markers: StageMarkers, sink: EventSink, stage: str) -> None:
        self._markers = markers
        self._sink = sink
        self._stage = stage
        self._started = now()
        self._sent = self._stored = 0.0
        self._last = (0, 0, "")
        self.fingerprint = ""
        """Of the artifact whose lease this attempt holds; empty while it holds none."""

    @cached_property
    def attempt(self) -> int:
        """Number of this attempt at the stage within the session, from 1."""
        last = self._markers.progress()
        return last.attempt + 1 if last else 1

    def update(self, done: int, total: int, message: str = "") -> None:
        """Note that `done` of `total` steps are done; the last step is always written."""
        self._last = (done, total, message)
        moment, final = time.monotonic(), total > 0 and done >= total
        if final or moment - self._sent >= _PIPE_EVERY_S:
            self._sent = moment
            self._send("running")
        if final or moment - self._stored >= _STORE_EVERY_S:
            self._stored = moment
            self._store("running")

    def tell(self, state: State, message: str = "") -> None:
        """Tell a change of state to who looks on here, and nobody else."""
        done, total, last = self._last
        self._last = (done, total, message or last)
        self._send(state)

    def state(self, state: State, message: str = "") -> None:
        """Note a change of state at once."""
        self.tell(state, message)
        self._store(state)

    def _send(self, state: State) -> None:
        done, total, message = self._last
        self._sink.progress(state, done, total, without_secrets(message))

    def _store(self, state: State) -> None:
        done, total, message = self._last
        with suppress(ServerError, StorageError):  # a picture of the work must not end it; the commit is what counts
            stored = None if self.fingerprint else self._markers.progress()
            if stored and stored.state == "running" and state != "waiting" and not _is_ours(stored):
                return
            self._markers.write_progress(
                ProgressRecord(
                    stage=self._stage,
                    attempt=self.attempt,
                    fingerprint=self.fingerprint or (stored.fingerprint if stored else ""),
                    state=state,
                    done=done,
                    total=total,
                    message=without_secrets(message),
                    started=self._started,
                    time=now(),
                    host=host_name(),
                    pid=os.getpid(),
                )
            )


def _is_ours(record: ProgressRecord) -> bool:
    return (record.host, record.pid) == (host_name(), os.getpid())
