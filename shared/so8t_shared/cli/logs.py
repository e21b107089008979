"""`so8t-ab logs`: the log of a stage, which is kept with the session."""

from __future__ import annotations

from typing import Annotated

import typer

from so8t_shared.cli.common import ConfigOption, SessionOption, SetOption, no_session, open_workspace
from so8t_shared.errors import InputError, So8tError
from so8t_shared.sessions.log_lines import log_lines
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import find_session, read_record
from so8t_shared.stages import BY_NAME, stage_named
from so8t_shared.terminal.console import out


def logs(
    name: Annotated[str, typer.Argument(metavar="STAGE", help=", ".join(BY_NAME))],
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    session: SessionOption = "",
    debug_lines: Annotated[bool, typer.Option("--all", help="Include debug lines and tracebacks.")] = False,
) -> None:
    """Print the log of a stage's latest attempts, oldest first."""
    stage = stage_named(name)
    workspace = open_workspace(config, overrides)
    if session:
        read_record(workspace.store, session)
    session_id = session or find_session(workspace.store, workspace.config)
    if not session_id:
        raise no_session(workspace)
    markers = StageMarkers(workspace.store, session_id, stage.name)
    data = workspace.store.get_bytes(f"{markers.prefix}/log.jsonl")
    if data is None:
        raise _no_log(stage.name, markers, f"session {session_id} in {workspace.store.location}")
    lines = log_lines(data)
    for line in lines:
        if line.level != "DEBUG" or debug_lines:
            _print(f"{line.time} #{line.attempt} {line.level:<7} {line.message}")
            if debug_lines and line.traceback:
                _print(line.traceback)
    failed = markers.failed()
    last = [line.message for line in lines if line.attempt == lines[-1].attempt]
    if failed and not any(failed.what in message for message in last):  # it failed before its work began
        end = So8tError(failed.what, where=failed.where, remedy=failed.remedy)
        _print("\n".join([f"{failed.time} {'ERROR':<7} {end.what}", *end.lines()[1:]]))


def _print(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _no_log(name: str, markers: StageMarkers, where: str) -> InputError:
    """The error that says why a stage has no log, according to its markers."""
    what = f"{name} has no log in this session"
    failed, completed, progress = markers.failed(), markers.completed(), markers.progress()
    if failed:
        where = f"{where}\n    {failed.what}" + (f"\n    {failed.where}" if failed.where else "")
        return InputError(f"{what}: it failed before its work began.", where=where, remedy=failed.remedy)
    if completed:
        ls = f"'so8t-ab artifacts ls --stage {name}' shows which session made it"
        return InputError(f"{what}: it was reused.", where=where, remedy=ls)
    if progress:
        state = f"{progress.state}, {progress.message}".rstrip(", ")
        return InputError(f"{what}: its work has not begun ({state}).", where=where, remedy="see 'so8t-ab status'")
    return InputError(f"{what}: it has not started.", where=where, remedy="start it with 'so8t-ab run'")
