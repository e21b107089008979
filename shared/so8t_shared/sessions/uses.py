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

    def wanted_now(self, artifact: Artifact, kept: set[str]) -> bool:
        """Whether a `kept` or new session now uses the artifact, or one of its users has become active again."""
        users = set(self.of(artifact))
        new = session_names(self._store) - self.sessions.keys()
        if any(artifact.fingerprint in self._used_now(name, artifact.stage) for name in kept | new):
            return True
        return any(_read(self._store, name) != self.sessions[name] for name in users)

    def _used_now(self, session_id: str, stage: str) -> set[str]:
        return _fingerprints(_marks(self._store, session_id, stage))


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
