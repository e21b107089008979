"""A session's record and the states of its stages, as every page needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from so8t_dashboard.reading.figures import Figures
from so8t_dashboard.reading.state import State
from so8t_shared.documents import Part
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.sessions.markers import Completed, Failed, ProgressRecord, StageMarkers
from so8t_shared.sessions.session import SessionRecord, record_key
from so8t_shared.sessions.stage_state import StageState, stage_state, summary
from so8t_shared.stages import STAGES

TONES = {"done": "good", "reused": "good", "running": "busy", "failed": "bad", "interrupted": "warn", "waiting": "warn"}
"""Tone of each state; any other is muted."""


@dataclass(frozen=True)
class StageView:
    """A stage of a session: its state, and the markers behind it."""

    name: str
    summary: str
    known: StageState
    completed: Completed | None
    failed: Failed | None
    progress: ProgressRecord | None
    left_s: float | None

    @property
    def tone(self) -> str:
        """Tone of its state."""
        return TONES.get(self.known.state, "muted")

    @property
    def running(self) -> bool:
        """Whether a process works on it."""
        return self.known.state == "running"

    @property
    def percent(self) -> int:
        """How much is done, in whole percent."""
        record = self.progress
        return min(100, 100 * record.done // record.total) if record and record.total > 0 else 0

    @property
    def attempts(self) -> int:
        """How often it was begun in this session."""
        return max(self.progress.attempt if self.progress else 0, self.failed.attempt if self.failed else 0)


@dataclass(frozen=True)
class SessionView:
    """A session with its stages, and its results once there are any."""

    record: SessionRecord
    stages: list[StageView]
    figures: Figures | None

    @property
    def session_id(self) -> str:
        """Its name."""
        return self.record.session_id

    @property
    def summary(self) -> str:
        """Its state in a few words."""
        return summary({stage.name: stage.known for stage in self.stages})

    @property
    def tone(self) -> str:
        """Tone of its state."""
        word = self.summary.partition(":")[0]
        return "good" if word == "finished" else TONES.get(word, "muted")

    @property
    def running(self) -> list[StageView]:
        """Stages at work."""
        return [stage for stage in self.stages if stage.running]

    @property
    def models(self) -> tuple[str, str]:
        """Names of A and B."""
        names = self.record.config.get("ollama")
        names = names if isinstance(names, dict) else {}
        return str(names.get("model_a_name", "?")), str(names.get("model_b_name", "?"))

    def stage(self, name: str) -> StageView:
        """One of its stages."""
        return next(stage for stage in self.stages if stage.name == name)


def session_view(state: State, session_id: str) -> SessionView | None:
    """The session with that name; None if it has no readable record."""
    if session_id not in state.sessions:
        return None
    key = record_key(session_id)
    try:
        record = SessionRecord.from_bytes(state.store.get_bytes(key) or b"", key)
    except (IntegrityError, NewerFormat):
        return None
    stages = [_stage(state, session_id, stage.name, stage.summary) for stage in STAGES]
    marker = next(stage.completed for stage in stages if stage.name == "conclude")
    figures = state.figures.get(marker.fingerprint) if marker else None
    return SessionView(record.model_copy(update={"session_id": session_id}), stages, figures)


def _stage(state: State, session_id: str, name: str, words: str) -> StageView:
    markers = StageMarkers(state.store, session_id, name)
    left_s = state.left_s.get((session_id, name))
    try:
        known = stage_state(state.store, session_id, name)
        return StageView(name, words, known, markers.completed(), markers.failed(), markers.progress(), left_s)
    except NewerFormat:
        unknown = StageState("unknown", message="written by a newer program")
        return StageView(name, words, unknown, None, None, None, None)


def parsed(kind: type[Part], data: bytes | None, where: str) -> Any:
    """A stored document; None if it is missing, damaged or newer."""
    if not data:
        return None
    try:
        return kind.from_bytes(data, where)
    except (IntegrityError, NewerFormat):
        return None
