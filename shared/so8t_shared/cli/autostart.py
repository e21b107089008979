"""`so8t-ab autostart`: resume an unfinished session after a power cut."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from so8t_shared.cli.common import SetOption, Workspace, open_workspace, print_notes
from so8t_shared.cli.containers import TIMEOUT_S, CpuOption, GpuOption, TimeoutOption
from so8t_shared.containers.settings import for_configuration, need_project
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
ContainersOption = Annotated[bool, typer.Option("--containers", help="The run is 'so8t-ab up': stages in containers.")]
OptionalConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="SO8T_CONFIG",
        help="Configuration file (YAML); not needed with --containers if .env names it.",
        show_default=False,
    ),
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
    ctx: typer.Context,
    config: OptionalConfig = None,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    containers: ContainersOption = False,
    cpu: CpuOption = False,
    gpu_optional: GpuOption = False,
    timeout_s: TimeoutOption = TIMEOUT_S,
    show: Annotated[bool, typer.Option("--print", help="Only print the file; install nothing.")] = False,
    scheduler: SchedulerOption = "auto",
) -> None:
    """Start 'run' or 'up' with this system until the session is done.

    The command that ends the session removes it. With --containers, it waits for Docker up to ten minutes; --cpu,
    --gpu-optional and --timeout-s mean what they do for 'so8t-ab up'.
    """
    options = [*(["--cpu"] if cpu else []), *(["--gpu-optional"] if gpu_optional else [])]
    options += ["--timeout-s", f"{timeout_s:g}"] if timeout_s != TIMEOUT_S else []
    start = _start(ctx, config, overrides, scheduler, containers=containers, options=options)
    workspace = _workspace(start.job, overrides)
    if containers and config and _from_line(ctx, "config"):
        for_configuration(config)  # refuses one that is missing
    if show:
        say(start.scheduler.text(start.job))
        return
    if start.job.kind.stages_here:
        check_stages_can_run("so8t-ab autostart install", "so8t-ab autostart install --containers")
    if workspace and _is_done(workspace):
        raise InputError(
            "The session of this configuration is done: there is nothing to resume.",
            where=str(config),
            remedy="start a new one with 'so8t-ab run --new-session', then repeat this command",
        )
    notes = start.scheduler.install(start.job)
    _say(f"installed: {start.file}")
    print_notes([*notes, *_lost_variables(start.job)])


@app.command("remove")
def remove(
    ctx: typer.Context,
    config: OptionalConfig = None,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    containers: ContainersOption = False,
    scheduler: SchedulerOption = "auto",
) -> None:
    """Remove it; a run in progress continues."""
    start = _start(ctx, config, overrides, scheduler, containers=containers)
    there = start.file.exists()
    if there:
        start.scheduler.remove(start.job)
    _say(f"{'removed' if there else 'not installed'}: {start.file}")


@app.command("status")
def status(
    ctx: typer.Context,
    config: OptionalConfig = None,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    containers: ContainersOption = False,
    scheduler: SchedulerOption = "auto",
) -> None:
    """Say whether it is installed, and whether the session is done."""
    start = _start(ctx, config, overrides, scheduler, containers=containers)
    workspace = _workspace(start.job, overrides)
    there = start.file.exists()
    _say(f"{'installed' if there else 'not installed'}: {start.file}")
    if there:
        _say(f"scheduler: {start.scheduler.state(start.job)}")
    if workspace:
        session_id = find_session(workspace.store, workspace.config)
        progress = "done" if _is_done(workspace) else "not done"
        _say(f"session: {f'{session_id}, {progress}' if session_id else 'none yet'}")


def _start(
    ctx: typer.Context,
    config: Path | None,
    overrides: list[str],
    scheduler: str,
    *,
    containers: bool,
    options: Sequence[str] = (),
) -> _Start:
    from so8t_shared.autostart.scheduler import own_scheduler, scheduler_named

    if scheduler not in _SCHEDULERS:
        raise typer.BadParameter(f"use one of {', '.join(_SCHEDULERS)}", param_hint="--scheduler")
    job = _job_in_containers(ctx, config, overrides, options) if containers else _job_here(ctx, config, overrides)
    return _Start(scheduler_named(own_scheduler() if scheduler == "auto" else scheduler), job)


def _job_here(ctx: typer.Context, config: Path | None, overrides: list[str]) -> Job:
    from so8t_shared.autostart.job import job_of

    if config is None:
        raise typer.BadParameter("needed, except with --containers", param_hint="--config")
    for name in ("cpu", "gpu_optional", "timeout_s"):
        if _from_line(ctx, name):
            raise typer.BadParameter("only with --containers", param_hint=f"--{name.replace('_', '-')}")
    return job_of(config, overrides)


def _job_in_containers(ctx: typer.Context, config: Path | None, overrides: list[str], options: Sequence[str]) -> Job:
    from so8t_shared.autostart.containers import job_in_containers

    if overrides:
        raise typer.BadParameter("does not reach containers; set the key in the configuration", param_hint="--set")
    need_project()
    # the variable SO8T_CONFIG is a path inside the containers, not one of this folder
    return job_in_containers(config if _from_line(ctx, "config") else None, options)


def _from_line(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _workspace(job: Job, overrides: list[str]) -> Workspace | None:
    """The configuration and its store; None if only containers reach the store."""
    return open_workspace(job.config, overrides) if job.kind.stages_here else None


def _is_done(workspace: Workspace) -> bool:
    session_id = find_session(workspace.store, workspace.config)
    return bool(session_id) and is_over(states_of(workspace.store, session_id or ""))


def _lost_variables(job: Job) -> list[str]:
    """Variables of this program that the scheduler's process will not have; the others are in its command."""
    kept = {word.partition("=")[0] for word in job.command}
    names = [n for n in sorted(os.environ) if n.startswith("SO8T_") and not n.startswith("SO8T__") and n not in kept]
    return [f"set here, but not for it: {', '.join(names)}"] if names else []
