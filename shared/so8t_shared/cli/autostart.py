"""`so8t-ab autostart`: resume an unfinished session after a power cut."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from so8t_shared.cli.common import ConfigOption, SetOption, Workspace, open_workspace, print_notes
from so8t_shared.errors import InputError
from so8t_shared.processes import check_stages_can_run
from so8t_shared.sessions.session import find_session
from so8t_shared.sessions.stage_state import is_over, states_of
from so8t_shared.terminal.console import out, say

if TYPE_CHECKING:
    from so8t_shared.autostart.job import Job
    from so8t_shared.autostart.scheduler import Scheduler

app = typer.Typer(help="Resume an unfinished session after a power cut.", no_args_is_help=True)

_SCHEDULERS = ("auto", "systemd", "windows")
SchedulerOption = Annotated[
    str,
    typer.Option("--scheduler", metavar="|".join(_SCHEDULERS), help="By default this system's own."),
]


@dataclass(frozen=True)
class _Start:
    """What a command is about: a configuration's run, started by a scheduler."""

    scheduler: Scheduler
    job: Job

    @property
    def file(self) -> Path:
        """It exists if, and only if, the job is installed."""
        return self.scheduler.file(self.job)


@app.command("install")
def install(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    show: Annotated[bool, typer.Option("--print", help="Only print the file; install nothing.")] = False,
    scheduler: SchedulerOption = "auto",
) -> None:
    """Start 'so8t-ab run' with this system, until the session is done.

    The run that ends the session removes it.
    """
    start = _start(config, overrides, scheduler)
    workspace = open_workspace(config, overrides)
    if show:
        say(start.scheduler.text(start.job))
        return
    check_stages_can_run("so8t-ab autostart install")
    if _is_done(workspace):
        raise InputError(
            "The session of this configuration is done: there is nothing to resume.",
            where=str(config),
            remedy="start a new one with 'so8t-ab run --new-session', then repeat this command",
        )
    notes = start.scheduler.install(start.job)
    _say(f"installed: {start.file}")
    print_notes([*notes, *_lost_variables()])


@app.command("remove")
def remove(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    scheduler: SchedulerOption = "auto",
) -> None:
    """Remove it; a run in progress continues."""
    start = _start(config, overrides, scheduler)
    there = start.file.exists()
    if there:
        start.scheduler.remove(start.job)
    _say(f"{'removed' if there else 'not installed'}: {start.file}")


@app.command("status")
def status(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    scheduler: SchedulerOption = "auto",
) -> None:
    """Say whether it is installed, and whether the session is done."""
    start = _start(config, overrides, scheduler)
    workspace = open_workspace(config, overrides)
    session_id = find_session(workspace.store, workspace.config)
    progress = "done" if _is_done(workspace) else "not done"
    there = start.file.exists()
    _say(f"{'installed' if there else 'not installed'}: {start.file}")
    if there:
        _say(f"scheduler: {start.scheduler.state(start.job)}")
    _say(f"session: {f'{session_id}, {progress}' if session_id else 'none yet'}")


def _start(config: Path, overrides: list[str], scheduler: str) -> _Start:
    from so8t_shared.autostart.job import job_of
    from so8t_shared.autostart.scheduler import own_scheduler, scheduler_named

    if scheduler not in _SCHEDULERS:
        raise typer.BadParameter(f"use one of {', '.join(_SCHEDULERS)}", param_hint="--scheduler")
    chosen = scheduler_named(own_scheduler() if scheduler == "auto" else scheduler)
    return _Start(chosen, job_of(config, overrides))


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _is_done(workspace: Workspace) -> bool:
    session_id = find_session(workspace.store, workspace.config)
    return bool(session_id) and is_over(states_of(workspace.store, session_id or ""))


def _lost_variables() -> list[str]:
    """Variables of this program that the scheduler's process will not have; SO8T__* are in its command."""
    names = [name for name in sorted(os.environ) if name.startswith("SO8T_") and not name.startswith("SO8T__")]
    return [f"set here, but not for it: {', '.join(names)}"] if names else []
