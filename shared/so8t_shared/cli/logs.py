"""`so8t-ab logs`: what a stage wrote, kept with the session."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated

import typer

from so8t_shared.cli.common import ConfigOption, SessionOption, SetOption, open_workspace
from so8t_shared.cli.output import out
from so8t_shared.errors import InputError
from so8t_shared.sessions import find_session, read_record
from so8t_shared.stages import stage_named


def logs(
    name: Annotated[str, typer.Argument(metavar="STAGE", help="convert-a, train, convert-b, import, evaluate, report")],
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    session: SessionOption = "",
    debug_lines: Annotated[bool, typer.Option("--all", help="Also debug lines and tracebacks.")] = False,
) -> None:
    """Print the log of a stage: its last attempts, oldest first."""
    stage = stage_named(name)
    workspace = open_workspace(config, overrides)
    if session:
        read_record(workspace.store, session)
    session_id = session or find_session(workspace.store, workspace.config)
    data = workspace.store.get_bytes(f"sessions/{session_id}/{stage.name}/log.jsonl") if session_id else None
    if data is None:
        raise InputError(
            f"{stage.name} has written no log in this session.",
            where=f"session {session_id or '(none)'} in {workspace.store.location}",
            remedy="a reused stage writes none; 'so8t-ab status' shows which ones ran",
        )
    for text in data.decode("utf-8", "replace").splitlines():
        with suppress(ValueError, KeyError, TypeError):
            line = json.loads(text)
            if line["level"] != "DEBUG" or debug_lines:
                shown = f"{line['time']} #{line['attempt']} {line['level']:<7} {line['message']}"
                out.print(shown, markup=False, highlight=False, soft_wrap=True)
                if debug_lines and "traceback" in line:
                    out.print(line["traceback"], markup=False, highlight=False, soft_wrap=True)
