"""What each command costs in requests, in a bucket with a given number of finished sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.integration.store_load import FIRST, SECOND, Host, Load, requests_of
from tests.servers.s3_server import S3Server

from so8t_shared.planning.plan import make_plan
from so8t_shared.sessions.collection import collect
from so8t_shared.sessions.session import find_session, session_ids
from so8t_shared.sessions.stage_state import states_of


@dataclass(frozen=True)
class Command:
    """A command, by what the user calls it."""

    label: str
    about_one: bool
    """Whether it is about one session, and so must not depend on the others."""


RUN = Command("run: two new stages", True)
AGAIN = Command("run: two finished stages", True)
PLAN_DONE = Command("plan, all reused", True)
PLAN_NEW = Command("plan, nothing reused", True)
STATUS = Command("status", True)
STATUS_ALL = Command("status --all", False)
LOOK = Command("artifacts gc", False)
COLLECT = Command("artifacts gc --yes", False)


def growth(server: S3Server, folder: Path, sessions: int) -> dict[Command, Counter[str]]:
    """Fill a new bucket, then count each command's requests; the last one deletes all but three sessions.

    With 16 sessions or more, as `plan` compares with that many artifacts.
    """
    host = Host(server, server.new_bucket(), folder, 0, Load(sessions, 1, work_s=(0.0, 0.0), names="run-{}"))
    for number in range(sessions):
        _both(host, number)
    works: dict[Command, Callable[[], object]] = {
        RUN: lambda: _both(host, sessions),
        AGAIN: lambda: _both(host, sessions),
        PLAN_DONE: lambda: make_plan(host.store, host.config(sessions), (FIRST, SECOND)),
        PLAN_NEW: lambda: make_plan(host.store, host.config(sessions + 1), (FIRST, SECOND)),
        STATUS: lambda: states_of(host.store, find_session(host.store, host.config(sessions)) or ""),
        STATUS_ALL: lambda: [states_of(host.store, name) for name in session_ids(host.store)],
        LOOK: lambda: collect(host.store, keep_sessions=3, delete=False),
        COLLECT: lambda: collect(host.store, keep_sessions=3, delete=True),
    }
    return {command: requests_of(host, work) for command, work in works.items()}


def _both(host: Host, session: int) -> None:
    for stage in (FIRST, SECOND):
        host.visit(session, stage)
