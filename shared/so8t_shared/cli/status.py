"""`so8t-ab status`: the progress of a session."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from so8t_shared.cli.common import (
    ConfigOption,
    SessionOption,
    SetOption,
    Workspace,
    local_time,
    no_session,
    open_workspace,
    table_cell,
)
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, config_digest, find_session, read_record, session_ids
from so8t_shared.sessions.stage_state import StageState, states_of, summary
from so8t_shared.store.base import ArtifactStore
from so8t_shared.terminal.console import err, out

_FINGERPRINT = 12
"""Characters of a fingerprint that are shown; they never wrap."""


def status(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    session: SessionOption = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until interrupted.")] = False,
    all_sessions: Annotated[bool, typer.Option("--all", help="List all sessions in the store instead.")] = False,
) -> None:
    """Show the progress of a session's stages, and failures."""
    workspace = open_workspace(config, overrides)
    if all_sessions:
        out.print(sessions_table(workspace.store))
        return
    if session:
        read_record(workspace.store, session)  # without this, an unknown session would look unstarted
    session_id = session or find_session(workspace.store, workspace.config) or ""
    if not session_id:
        raise no_session(workspace)
    if not watch:
        out.print(status_table(session_id, states_of(workspace.store, session_id)))
        _show_model(workspace, session_id)
        return
    with Live(console=err, refresh_per_second=2) as live:
        while not err.quiet:
            live.update(status_table(session_id, states_of(workspace.store, session_id)))
            time.sleep(1.0)


def _show_model(workspace: Workspace, session_id: str) -> None:
    """Say where model B is, once it is made; only for the configuration's own sessions, as it names the folders."""
    record = read_record(workspace.store, session_id)
    made = all(StageMarkers(workspace.store, session_id, stage).completed() for stage in ("convert-b", "import"))
    if made and record.config_digest == config_digest(workspace.config):
        from so8t_shared.cli.announce import model_lines  # slow: loads the models of all results

        for line in model_lines(Session(session_id, workspace.config, record.created)):
            out.print(line, highlight=False, markup=False, soft_wrap=True)


def sessions_table(store: ArtifactStore) -> Table:
    """One row per session, oldest first: creation time, models, state."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("session", "created", "models", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "models")
    for session_id in session_ids(store):
        record = read_record(store, session_id)
        names = record.config.get("ollama", {})
        models = f"{names.get('model_a_name', '?')}, {names.get('model_b_name', '?')}"
        cells = (session_id, local_time(record.created), models, summary(states_of(store, session_id)))
        table.add_row(*map(table_cell, cells))
    return table


def status_table(session_id: str, states: dict[str, StageState]) -> Table:
    """One row per stage."""
    table = Table(title=f"session {session_id}", box=None, padding=(0, 2, 0, 0), title_justify="left")
    for heading in ("stage", "state", "progress"):
        table.add_column(heading, no_wrap=True)
    table.add_column("host", overflow="fold")
    table.add_column("since", no_wrap=True)
    table.add_column("message", overflow="fold", min_width=_FINGERPRINT)
    for name, known in states.items():
        cells = (known.state, known.count, known.host, local_time(known.time), known.message)
        table.add_row(name, *map(table_cell, cells))
    return table
