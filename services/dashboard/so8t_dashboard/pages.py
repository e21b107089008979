"""The pages: one row each, with the parts that change while one looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from so8t_dashboard.service import Service
from so8t_dashboard.views.comparison import comparison
from so8t_dashboard.views.files import artifacts
from so8t_dashboard.views.logs import LEVELS, log_view
from so8t_dashboard.views.overview import overview
from so8t_dashboard.views.records import SessionView, session_view
from so8t_dashboard.views.sessions import sessions
from so8t_dashboard.views.studies import study_view

Context = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A page with its address, its template, and the templates of its live parts."""

    name: str
    path: str
    title: str
    live: tuple[str, ...]
    context: Callable[[Service, Request], Context | None]
    """None if there is no such session or study."""


def _sessions(service: Service, request: Request) -> Context:
    return sessions(service.state, everything=request.query_params.get("all") == "1")


def _compare(service: Service, request: Request) -> Context:
    return comparison(service.state, request.query_params.getlist("s"))


def _study(service: Service, request: Request) -> Context | None:
    view = study_view(service.state, request.path_params["name"])
    return {"study": view} if view else None


def _of_session(
    show: Callable[[Service, Request, SessionView], Context],
) -> Callable[[Service, Request], Context | None]:
    def context(service: Service, request: Request) -> Context | None:
        session_id = request.path_params["session_id"]
        view = session_view(service.state, session_id)
        if view is None:
            return None
        service.poller.look(session_id)
        return {"view": view, **show(service, request, view)}

    return context


def _overview(service: Service, _: Request, view: SessionView) -> Context:
    return overview(service.state, view, service.gpus)


def _log(service: Service, request: Request, view: SessionView) -> Context:
    asked = (request.query_params.get(name, "") for name in ("stage", "level"))
    return {"log": log_view(service.state, view.session_id, *asked), "levels": LEVELS}


def _files(service: Service, _: Request, view: SessionView) -> Context:
    return {"artifacts": artifacts(service.state, view)}


def _plan(service: Service, _: Request, view: SessionView) -> Context:
    return {"plan": service.plans.of(view.record)}


def _report(service: Service, _: Request, view: SessionView) -> Context:
    made = next((each for each in artifacts(service.state, view) if each.stage == "report"), None)
    return {"files": {entry.path for entry in made.files} if made else set()}


_SESSION = "/sessions/{session_id}"

PAGES: tuple[Page, ...] = (
    Page("sessions", "/", "Sessions", ("sessions",), _sessions),
    Page("compare", "/compare", "Comparison", (), _compare),
    Page("study", "/studies/{name}", "Study", ("study",), _study),
    Page("overview", _SESSION, "Overview", ("overview",), _of_session(_overview)),
    Page("log", f"{_SESSION}/log", "Log", ("log",), _of_session(_log)),
    Page("files", f"{_SESSION}/files", "Files", ("files",), _of_session(_files)),
    Page("plan", f"{_SESSION}/plan", "Plan", ("plan",), _of_session(_plan)),
    Page("report", f"{_SESSION}/report", "Report", (), _of_session(_report)),
)

SESSION_PAGES = tuple(page for page in PAGES if page.path.startswith(_SESSION))
"""Tabs of a session."""
