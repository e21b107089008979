"""Which sessions use an artifact: read once from their markers, and checked again before anything is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.sessions.markers import Completed, ProgressRecord, StageMarkers
from so8t_shared.sessions.session import SessionRecord, record_key, session_names
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore

Marks = tuple[Completed | None, ProgressRecord | None]


@dataclass(frozen=True)
class SessionUse:
    """The artifacts that a session has made, or worked on and can resume, as of reading its markers."""

    session_id: str
    created: str
    """Empty if the record cannot be read."""
    marks: dict[str, Marks]
    fault: IntegrityError | NewerFormat | None = field(default=None, compare=False)
    """Why the session's record cannot be read."""

    def uses(self, artifact: Artifact) -> bool:
        """Whether the session made the artifact or worked on it."""
        return artifact.fingerprint in _fingerprints(self.marks[artifact.stage])


class Uses:
    """All sessions and the artifacts they use, as of construction."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        read = [_read(store, name) for name in session_names(store)]
        self.sessions = {use.session_id: use for use in sorted(read, key=lambda use: (use.created, use.session_id))}
        """Oldest first; sessions with unreadable records come before all others."""

    def of(self, artifact: Artifact) -> list[str]:
        """Names of the sessions that use an artifact, oldest first."""
        return [name for name, use in self.sessions.items() if use.uses(artifact)]

    def newest(self, count: int) -> set[str]:
        """The newest sessions, and all of unknown age."""
        readable = [name for name, use in self.sessions.items() if not use.fault]
        return {*readable[-count:], *(self.sessions.keys() - readable)}

    def now(self, kept: set[str]) -> Now:
        """A fresh look at the sessions, for as many artifacts as are judged at one moment."""
        return Now(self._store, self, kept)


class Now:
    """Whether sessions use artifacts by now; reads the sessions it needs, each once, after its construction."""

    def __init__(self, store: ArtifactStore, before: Uses, kept: set[str]) -> None:
        self._store = store
        self._before = before
        self._judges = kept | (session_names(store) - before.sessions.keys())
        """The `kept` sessions, and sessions that are new since `before`."""
        self._used: dict[str, set[str]] = {}
        """Fingerprints that the judges use, by stage."""
        self._changed: dict[str, bool] = {}

    def wants(self, artifact: Artifact) -> bool:
        """Whether a kept or new session uses the artifact, or one of its users has become active again."""
        if artifact.fingerprint in self._used_in(artifact.stage):
            return True
        return any(self._has_changed(name) for name in self._before.of(artifact))

    def _used_in(self, stage: str) -> set[str]:
        if stage not in self._used:
            marks = [_marks(self._store, name, stage) for name in self._judges]
            self._used[stage] = {fingerprint for each in marks for fingerprint in _fingerprints(each)}
        return self._used[stage]

    def _has_changed(self, name: str) -> bool:
        if name not in self._changed:
            self._changed[name] = _read(self._store, name) != self._before.sessions[name]
        return self._changed[name]


def _read(store: ArtifactStore, session_id: str) -> SessionUse:
    marks = {stage.name: _marks(store, session_id, stage.name) for stage in STAGES}
    key = record_key(session_id)
    try:
        created = SessionRecord.from_bytes(store.get_bytes(key) or b"", key).created
    except (IntegrityError, NewerFormat) as error:
        return SessionUse(session_id, "", marks, error)
    return SessionUse(session_id, created, marks)


def _marks(store: ArtifactStore, session_id: str, stage: str) -> Marks:
    markers = StageMarkers(store, session_id, stage)
    return markers.completed(), markers.progress()


def _fingerprints(marks: Marks) -> set[str]:
    return {mark.fingerprint for mark in marks if mark} - {""}
