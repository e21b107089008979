"""Progress of a stage: cheap to report at every step, and stored for all hosts to see."""

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
    """Reports one stage's events; adds the stage and its progress to each."""

    def __init__(self, listeners: Listeners, stage: str) -> None:
        self._listeners = listeners
        self._stage = stage
        self._last = (0, 0, "")
        self.fingerprint = ""
        """Fingerprint of the artifact whose lease this attempt holds; empty while it holds none."""

    def update(self, done: int, total: int, message: str = "") -> None:
        """Report that `done` of `total` steps are done; the last step is always delivered."""
        self._last = (done, total, message)
        self._hear("progress", at_once=0 < total <= done)

    def tell(self, kind: Kind, message: str = "", audience: Audience = "all") -> None:
        """Report a change immediately; an empty message keeps the previous one."""
        done, total, last = self._last
        self._last = (done, total, message or last)
        self._hear(kind, audience=audience)

    def log(self, level: str, message: str, *, traceback: str = "", audience: Audience = "all") -> None:
        """Report a log line."""
        self._listeners.hear(Event(self._stage, "log", message, level=level, traceback=traceback, audience=audience))

    def _hear(self, kind: Kind, *, at_once: bool = True, audience: Audience = "all") -> None:
        done, total, message = self._last
        event = Event(
            self._stage, kind, message, done, total, fingerprint=self.fingerprint, audience=audience, at_once=at_once
        )
        self._listeners.hear(event)


class ProgressFile(Listener):
    """progress.json: shared by all hosts and owned by the attempt that computes.

    An attempt that does not compute (it waits for another, or failed before starting) leaves it unchanged.
    """

    def __init__(self, work: Work, stage: str) -> None:
        self._work = work
        self._stage = stage
        self._markers = StageMarkers(work.aside, work.session.session_id, stage)
        self._started = now()

    def hear(self, event: Event) -> None:
        """Write the event's state. A failed write is skipped: only the commit matters."""
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
    """The progress file of this scene's stage."""
    assert scene.work
    return ProgressFile(scene.work, scene.stages[0].name)


def _is_ours(record: ProgressRecord) -> bool:
    return (record.host, record.pid) == (host_name(), os.getpid())
