"""`so8t-ab run`: the whole pipeline, resumed where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli.common import (
    ConfigOption,
    SetOption,
    UntilDecidedOption,
    Workspace,
    end_autostart,
    open_workspace,
    print_notes,
    print_warnings,
    with_flags,
)
from so8t_shared.cli.plan import show_dry_run, to_run
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, GateRefused
from so8t_shared.files import make_folder, storage_errors, write_temporary
from so8t_shared.interruption import StopSignal
from so8t_shared.planning.disk import check_disks, plan_disks
from so8t_shared.planning.plan import make_plan
from so8t_shared.planning.preflight import preflight
from so8t_shared.planning.testing import plan_of_test
from so8t_shared.privacy import private_files
from so8t_shared.processes import check_stages_can_run
from so8t_shared.processor import usable_cores
from so8t_shared.running.events import Listeners, Scene
from so8t_shared.running.pipeline import PipelineRun, check_selection
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES, Stage, stage_named
from so8t_shared.tables import executions
from so8t_shared.terminal.console import err

_CORES_FOR_TWO_STAGES = 8


def run(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    new_session: Annotated[
        bool, typer.Option("--new-session", help="Start a new session; artifacts are reused.")
    ] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 10 unless B passes ab_test.gate.")] = False,
    until_decided: UntilDecidedOption = False,
    first: Annotated[
        str, typer.Option("--from", metavar="STAGE", help="Start at this stage; earlier ones must be done.")
    ] = "",
    last: Annotated[str, typer.Option("--to", metavar="STAGE", help="Stop after this stage.")] = "",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Stages to run in parallel; 0: two on 8 or more cores, else one.")
    ] = 0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            "-n",
            help="Only show what would run and why; if training would run here, take two steps to say its time, memory"
            " and end. Keeps nothing.",
        ),
    ] = False,
) -> None:
    """Run all stages. After a kill, the same command resumes; after a finished run, it reuses everything.

    Examples:

      so8t-ab run -c my.yaml

      so8t-ab run -c my.yaml --set training.max_steps=200 --gate
    """
    overrides = with_flags(overrides, until_decided=until_decided)
    workspace = open_workspace(config, overrides)
    stages = _selection(first, last)
    if dry_run:
        show_dry_run(workspace, stages)
        return
    check_stages_can_run("so8t-ab run")
    if gate and stages[-1].name != "report":
        raise ConfigError(
            f"The gate needs the report, but the run stops after {last}.",
            where="--gate and --to",
            remedy="remove one of them",
        )
    with private_files():
        _check_output(Path(workspace.config.output_base_dir))
        _check_inputs(workspace, stages)
        session = open_session(workspace.store, workspace.config, new=new_session)
        check_selection(stages, workspace.store, session)
        _run_stages(workspace, session, stages, jobs)
    if stages[-1].name == "report":
        _end_autostart(config, overrides)
        _show_results(session, gate=gate)


def _check_inputs(workspace: Workspace, stages: list[Stage]) -> None:
    """Report now what would fail hours later, such as a missing model or a row without a label."""
    planned = make_plan(workspace.store, workspace.config, stages)
    here = executions.BY_NAME[workspace.config.execution.kind].here
    print_notes(preflight(workspace.config, to_run(planned), here=here))
    if here:
        print_warnings(check_disks(plan_disks(workspace.config, workspace.store, planned)))
    if "evaluate" in to_run(planned):
        plan = plan_of_test(workspace.config, workspace.store, planned)
        if plan and not plan.gate_can_pass:
            print_warnings([plan.verdict])


def _run_stages(workspace: Workspace, session: Session, stages: list[Stage], jobs: int) -> None:
    err.print(f"session {session.session_id} in {workspace.store.location}", highlight=False, markup=False)
    stop = StopSignal()
    stop.install()
    with Listeners("run").open(Scene(stages)) as listeners:
        jobs = jobs or default_jobs(workspace.config, stages)
        PipelineRun(workspace.store, session, stages, listeners, stop, jobs=jobs).run()


def _end_autostart(config: Path, overrides: list[str]) -> None:
    """Remove what 'so8t-ab autostart' installed for this session, which is done."""
    from so8t_shared.autostart.job import job_of

    end_autostart(lambda: job_of(config, overrides))


def _show_results(session: Session, *, gate: bool) -> None:
    from so8t_shared.cli.announce import print_results  # slow: loads the models of all results

    verdict = print_results(session).evaluation.gate
    if gate and not verdict.passed:
        where = "\n".join(["ab_test.gate", *(f"    - {reason}" for reason in verdict.reasons)])
        raise GateRefused("The gate does not let model B ship.", where=where, remedy="see the report")


def _selection(first: str, last: str) -> list[Stage]:
    begin = STAGES.index(stage_named(first)) if first else 0
    end = STAGES.index(stage_named(last)) if last else len(STAGES) - 1
    if begin > end:
        raise ConfigError(f"{first} comes after {last}.", where="--from and --to", remedy="give them in pipeline order")
    return list(STAGES[begin : end + 1])


def default_jobs(config: Config, stages: list[Stage]) -> int:
    """Stages that run in parallel unless the user says otherwise."""
    if not executions.BY_NAME[config.execution.kind].here:
        return len(stages)  # the cluster knows how many fit
    return 2 if usable_cores() >= _CORES_FOR_TWO_STAGES else 1


def _check_output(folder: Path) -> None:
    """Check that results can be written before hours of work."""
    make_folder(folder)
    with storage_errors(folder):
        write_temporary(folder, b"").unlink()
