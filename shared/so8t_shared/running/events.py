"""What a stage tells while it works, and everybody who is told: the rows of tables/listeners.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

from so8t_shared.redaction import without_secrets
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.functions import named
from so8t_shared.tables.listeners import ROWS, Kind, Place, Row

Audience = Literal["all", "here", "session"]
"""Whom an event concerns: everybody, this process's user alone, or who reads the session later alone."""


@dataclass(frozen=True)
class Event:
    """Something a stage tells."""

    stage: str
    kind: Kind
    message: str = ""
    done: int = 0
    total: int = 0
    level: str = "INFO"
    """Of a log line."""
    traceback: str = ""
    """Of a log line."""
    fingerprint: str = ""
    """Of the artifact that this attempt computes; empty while it computes none."""
    audience: Audience = "all"
    at_once: bool = True
    """False for a step of many, which a listener with a pace of its own may miss."""


class Listener:
    """Told what stages do. It must not raise for trouble of its own: the work does not depend on who looks on."""

    def hear(self, event: Event) -> None:
        """Take one event; its text holds no secret."""
        raise NotImplementedError

    def flush(self) -> None:
        """The stage's work has ended: write what was held back."""

    def close(self) -> None:
        """Nothing more will be told."""


@dataclass(frozen=True)
class Work:
    """The session that a stage works in."""

    session: Session
    store: ArtifactStore
    aside: ArtifactStore
    """The same store for what the work does not wait for."""
    attempt: Callable[[], int]
    """Number of this attempt at the stage within the session, from 1."""


@dataclass(frozen=True)
class Scene:
    """Where a listener is opened."""

    stages: Sequence[Stage]
    pipe: int = -1
    """File descriptor for the events of a run's child."""
    work: Work | None = None
    """None until the session is known."""


@dataclass
class _Open:
    row: Row
    listener: Listener
    last: float = 0.0

    def wants(self, event: Event, now: float) -> bool:
        """Whether to tell it this one; counts it as told."""
        if event.kind not in self.row.hears or event.audience == ("here" if self.row.of_session else "session"):
            return False
        if not event.at_once and now - self.last < self.row.every_s:
            return False
        if event.kind == "progress":
            self.last = now
        return True


@dataclass
class Listeners:
    """Everybody who listens in this process."""

    place: Place
    _open: list[_Open] = field(default_factory=list)

    def open(self, scene: Scene) -> Self:
        """Open the rows of the table that belong here: those of a session once it is known, the others at first."""
        for row in ROWS:
            if self.place in row.at and row.of_session is (scene.work is not None):
                listener: Listener | None = named(row.open)(scene)
                if listener:
                    self.add(listener, row)
        return self

    def add(self, listener: Listener, row: Row | None = None) -> None:
        """Let one more listen: as the row says, or else to everything that concerns this process."""
        self._open.append(_Open(row or Row(type(listener).__name__, "", at=get_args(Place)), listener))

    def hear(self, event: Event) -> None:
        """Tell everybody whom this event concerns, without secrets."""
        now = time.monotonic()
        told = [each for each in self._open if each.wants(event, now)]
        if told:
            event = replace(event, message=without_secrets(event.message), traceback=without_secrets(event.traceback))
        for each in told:
            each.listener.hear(event)

    def logs_alone(self) -> Listeners:
        """The same listeners, told log lines alone."""
        return Listeners(self.place, [replace(each, row=replace(each.row, hears=("log",))) for each in self._open])

    def flush(self) -> None:
        """Let everybody write what was held back."""
        for each in self._open:
            each.listener.flush()

    def close(self) -> None:
        """End it for everybody."""
        while self._open:
            self._open.pop().listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
