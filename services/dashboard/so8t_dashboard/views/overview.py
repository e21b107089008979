"""A session's first page: what waits for what, what runs, and how it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from so8t_dashboard.charts.stage_graph import StageNote, stage_graph
from so8t_dashboard.gpu import Gpu
from so8t_dashboard.reading.state import State
from so8t_dashboard.views.live import evaluation_live, training_live
from so8t_dashboard.views.logs import warnings
from so8t_dashboard.views.records import SessionView, StageView

_NO_STATE = "not started"


def overview(state: State, view: SessionView, gpus: Callable[[], list[Gpu]]) -> dict[str, Any]:
    """What the template shows."""
    notes = {stage.name: StageNote(stage.known.state, _note(stage), stage.tone) for stage in view.stages}
    return {
        "view": view,
        "graphs": [stage_graph(notes), stage_graph(notes, down=True)],
        "training": training_live(state, view),
        "evaluation": evaluation_live(state, view),
        "warnings": warnings(state, view.session_id),
        "gpus": gpus(),
    }


def _note(stage: StageView) -> str:
    """A few words for a box of the graph."""
    if stage.running:
        return f"{stage.percent}%" if stage.progress and stage.progress.total else ""
    return "" if stage.known.state == _NO_STATE else stage.known.host
