"""The first page: all studies, and all sessions, newest first."""

from __future__ import annotations

from typing import Any

from so8t_dashboard.reading.state import State
from so8t_dashboard.views.records import session_view
from so8t_dashboard.views.studies import studies

SHOWN = 50
"""Sessions on the page; the address with all=1 shows all."""


def sessions(state: State, *, everything: bool = False) -> dict[str, Any]:
    """What the template shows."""
    names = state.sessions if everything else state.sessions[:SHOWN]
    views = [view for name in names if (view := session_view(state, name))]
    return {"sessions": views, "more": len(state.sessions) - len(names), "studies": studies(state)}
