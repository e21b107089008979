"""Progress of a stage: cheap to report at every step, and a picture of it in the store for all hosts."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Literal

from so8t_shared.errors import ServerError, StorageError
from so8t_shared.host import host_name, now
from so8t_shared.running.events import Audience, Event, Listener, Listeners, Scene, Work
from so8t_shared.sessions.markers import ProgressRecord, StageMarkers
from so8t_shared.tables.listeners import Kind

State = Literal["waiting", "running", "done", "failed", "interrupted"]

_STATES: dict[Kind, State] = {
    "waiting": "waiting",
    "started": "running",
    "progress": "running",
    "finished": "done",
    "interrupted": "interrupted",
    "failed": "failed",
}


class ProgressReporter:
    """One stage's voice: adds to each event the stage and how far it is."""

    def __init__(self, listeners: Listeners, stage: str) -> None:
        self._listeners = listeners
        self._stage = stage
        self._last = (0, 0, "")
        self.fingerprint = ""
        """Of the artifact whose lease this attempt holds; empty while it holds none."""

    def update(self, done: int, total: int, message: str = "") -> None:
        """Note that `done` of `total` steps are done; the last step is always told."""
        self._last = (done, total, message)
        self._hear("progress", at_once=0 < total <= done)

    def tell(self, kind: Kind, message: str = "", audience: Audience = "all") -> None:
        """Tell a change at once; an empty message keeps the one before."""
        done, total, last = self._last
        self._last = (done, total, message or last)
        self._hear(kind, audience=audience)

    def log(self, level: str, message: str, *, traceback: str = "", audience: Audience = "all") -> None:
        """Tell a log line."""
        self._listeners.hear(Event(self._stage, "log", message, level=level, traceback=traceback, audience=audience))

    def _hear(self, kind: Kind, *, at_once: bool = True, audience: Audience = "all") -> None:
        done, total, message = self._last
        event = Event(
            self._stage, kind, message, done, total, fingerprint=self.fingerprint, audience=audience, at_once=at_once
        )
        self._listeners.hear(event)


class ProgressFile(Listener):
    """progress.json: one for all hosts, and it belongs to the one that computes.

    An attempt that does not compute (it waits for the other one, or failed before it could) leaves it as it is.
    """

    def __init__(self, work: Work, stage: str) -> None:
        self._work = work
        self._stage = stage
        self._markers = StageMarkers(work.aside, work.session.session_id, stage)
        self._started = now()

    def hear(self, event: Event) -> None:
        """Write it. What cannot be written is left out: the commit is what counts."""
        with suppress(ServerError, StorageError):
            self._write(event)

    def _write(self, event: Event) -> None:
        state = _STATES[event.kind]
        stored = None if event.fingerprint else self._markers.progress()
        if stored and stored.state == "running" and state != "waiting" and not _is_ours(stored):
            return
        self._markers.write_progress(
            ProgressRecord(
                stage=self._stage,
                attempt=self._work.attempt(),
                fingerprint=event.fingerprint or (stored.fingerprint if stored else ""),
                state=state,
                done=event.done,
                total=event.total,
                message=event.message,
                started=self._started,
                time=now(),
                host=host_name(),
                pid=os.getpid(),
            )
        )


def open_progress_file(scene: Scene) -> ProgressFile:
    """The progress of the stage that works here."""
    assert scene.work
    return ProgressFile(scene.work, scene.stages[0].name)


def _is_ours(record: ProgressRecord) -> bool:
    return (record.host, record.pid) == (host_name(), os.getpid())
