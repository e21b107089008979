"""Events of a working stage, and the listeners that receive them: the rows of tables/listeners.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

from so8t_shared.redaction import presentable
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.functions import named
from so8t_shared.tables.listeners import ROWS, Kind, Place, Row

ASIDE_PATIENCE_S = 2.0
"""How long listeners wait for an unreachable server; they must not hold up the work."""

Audience = Literal["all", "here", "session"]
"""Audience of an event: everyone, only this process's user, or only later readers of the session."""


@dataclass(frozen=True)
class Event:
    """Something that happens in a stage."""

    stage: str
    kind: Kind
    message: str = ""
    done: int = 0
    total: int = 0
    level: str = "INFO"
    """Log lines only."""
    traceback: str = ""
    """Log lines only."""
    fingerprint: str = ""
    """Fingerprint of the artifact that this attempt is computing; empty while it computes none."""
    audience: Audience = "all"
    at_once: bool = True
    """False for one step of many, which a rate-limited listener may skip."""


class Listener:
    """Receives events. It must not raise on its own problems: the work does not depend on listeners."""

    def hear(self, event: Event) -> None:
        """Receive one event; its text contains no secrets."""
        raise NotImplementedError

    def flush(self) -> None:
        """The stage's work has ended: write buffered data."""

    def close(self) -> None:
        """No more events will follow."""


@dataclass(frozen=True)
class Work:
    """The session in which a stage works."""

    session: Session
    store: ArtifactStore
    aside: ArtifactStore
    """The same store, for writes that must not hold up the work."""
    attempt: Callable[[], int] = lambda: 1
    """Number of this attempt at the stage in the session, starting at 1; a run counts none."""


@dataclass(frozen=True)
class Scene:
    """The context in which a listener is opened."""

    stages: Sequence[Stage]
    pipe: int = -1
    """File descriptor for a child's events."""
    work: Work | None = None
    """None until the session is known."""


@dataclass
class _Open:
    row: Row
    listener: Listener
    last: float = 0.0

    def wants(self, event: Event, now: float) -> bool:
        """Whether to deliver this event; records the delivery."""
        if event.kind not in self.row.hears or event.audience == ("here" if self.row.of_session else "session"):
            return False
        if not event.at_once and now - self.last < self.row.every_s:
            return False
        if event.kind == "progress":
            self.last = now
        return True


@dataclass
class Listeners:
    """All listeners of this process."""

    place: Place
    _open: list[_Open] = field(default_factory=list)

    def open(self, scene: Scene) -> Self:
        """Open the table's rows for this place: session listeners once the session is known, others right away."""
        for row in ROWS:
            if self.place in row.at and row.of_session is (scene.work is not None):
                listener: Listener | None = named(row.open)(scene)
                if listener:
                    self.add(listener, row)
        return self

    def add(self, listener: Listener, row: Row | None = None) -> None:
        """Add a listener, filtered by `row`; without one it receives everything that concerns this process."""
        self._open.append(_Open(row or Row(type(listener).__name__, "", at=get_args(Place)), listener))

    def hear(self, event: Event) -> None:
        """Deliver the event, without secrets and control characters, to every listener that it concerns."""
        now = time.monotonic()
        told = [each for each in self._open if each.wants(event, now)]
        if told:
            event = replace(event, message=presentable(event.message), traceback=presentable(event.traceback))
        for each in told:
            each.listener.hear(event)

    def logs_alone(self) -> Listeners:
        """The same listeners, receiving only log lines."""
        return Listeners(self.place, [replace(each, row=replace(each.row, hears=("log",))) for each in self._open])

    def flush(self) -> None:
        """Flush all listeners."""
        for each in self._open:
            each.listener.flush()

    def close(self) -> None:
        """Close all listeners."""
        while self._open:
            self._open.pop().listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
