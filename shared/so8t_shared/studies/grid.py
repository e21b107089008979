"""Progress of a study: the state of each member."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.stage_state import is_over, states_of, summary
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore
from so8t_shared.studies.record import RecordedMember, StudyRecord


@dataclass(frozen=True)
class Cell:
    """One member of the grid, arm by seed."""

    member: RecordedMember
    over: bool
    state: str
    """In a few words."""


def grid_of(store: ArtifactStore, record: StudyRecord) -> list[Cell]:
    """Return the state of each member, in the record's order."""
    cells = []
    for member in record.members:
        states = states_of(store, member.session_id)
        cells.append(Cell(member, is_over(states), summary(states)))
    return cells


def stage_seconds(store: ArtifactStore, session_id: str) -> dict[str, float]:
    """Wall seconds of each stage that this session computed; 0 for one that it reused.

    They include pauses between a kill and the next attempt's start only if the attempt that finished had them.
    """
    found = {}
    for stage in STAGES:
        done = StageMarkers(store, session_id, stage.name).completed()
        if done is not None:
            found[stage.name] = 0.0 if done.reused else _seconds(done.started, done.finished)
    return found


def _seconds(started: str, finished: str) -> float:
    return max(0.0, (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds())
