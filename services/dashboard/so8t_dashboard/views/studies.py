"""A study: the grid of its arms and seeds, and what it has found so far."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_dashboard.reading.state import State
from so8t_dashboard.views.records import SessionView, parsed, session_view
from so8t_shared.results.study import StudyResult
from so8t_shared.studies.record import ROOT, StudyRecord, result_key, study_key


@dataclass(frozen=True)
class StudyView:
    """A study, with the session of each member that has one."""

    record: StudyRecord
    cells: dict[tuple[str, int | None], SessionView]
    """By arm and seed; None is the seed of an external model."""
    sentences: list[str]
    """What it found; empty until it was judged."""

    @property
    def rows(self) -> list[int | None]:
        """The seeds, and None if there is an external model."""
        external = any(arm.external for arm in self.record.arms)
        return [*self.record.seeds, *([None] if external else [])]

    @property
    def finished(self) -> int:
        """Number of members that are finished."""
        return sum(view.summary == "finished" for view in self.cells.values())


def study_view(state: State, name: str) -> StudyView | None:
    """The study with that name; None if it has no readable record."""
    key = study_key(name)
    record: StudyRecord | None = parsed(StudyRecord, state.store.get_bytes(key), key)
    if record is None:
        return None
    found = {(m.arm, m.seed): session_view(state, m.session_id) for m in record.members}
    result: StudyResult | None = parsed(StudyResult, state.store.get_bytes(result_key(name)), result_key(name))
    cells = {place: view for place, view in found.items() if view}
    return StudyView(record.model_copy(update={"name": name}), cells, result.sentences() if result else [])


def studies(state: State) -> list[str]:
    """Names of all studies."""
    return [key.split("/")[1] for key in state.store.list(ROOT) if key.endswith("/study.json")]
