"""`so8t-ab study`: several arms, each trained with several seeds, against one model A."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli.common import print_notes, print_warnings
from so8t_shared.cli.run import default_jobs
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.interruption import StopSignal
from so8t_shared.privacy import private_files
from so8t_shared.processes import check_stages_can_run
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store
from so8t_shared.studies.load import LoadedStudy, load_study
from so8t_shared.tables import executions
from so8t_shared.terminal.console import err, out

app = typer.Typer(invoke_without_command=True)

StudyOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Study file (YAML).", show_default=False, metavar="STUDY")
]


@app.callback()
def study(
    context: typer.Context,
    config: StudyOption = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Stages of one model to run in parallel; 0: as 'run' does.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show what would run, like 'study plan'.")
    ] = False,
) -> None:
    """Compare several ways to train, each with several seeds.

    Every arm is trained with every seed and tested against A; the report compares the arms as methods.

    Each model is an ordinary session, called STUDY-ARM-sSEED. What several need, such as A's conversion and answers, is
    computed once. After a kill, the same command resumes; a model that fails does not stop the others.

    Examples:

      so8t-ab study -c configs/does-so8t-help.yaml

      so8t-ab study plan -c configs/does-so8t-help.yaml
    """
    if context.invoked_subcommand:
        return
    loaded = _load(config)
    if dry_run:
        _show_plan(loaded)
        return
    check_stages_can_run("so8t-ab study")
    from so8t_shared.studies.running import StudyRun, first_failure

    with private_files():
        store = open_store(loaded.base)
        _check_inputs(loaded, store)
        stop = StopSignal()
        stop.install()
        run = StudyRun(store, loaded, stop, _say, jobs=jobs or default_jobs(loaded.base, list(STAGES)))
        run.run()
        if len(run.failures) < len(loaded.members):
            _judge(store, loaded)
    if run.failures:
        raise first_failure(list(run.failures.values()), len(loaded.members))


@app.command("plan")
def plan(config: StudyOption = None) -> None:
    """Show the grid of arms and seeds: what would run, what is reused or shared, and how long it takes."""
    _show_plan(_load(config))


@app.command("status")
def status(
    config: StudyOption = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until interrupted.")] = False,
) -> None:
    """Show the grid of arms and seeds: the state of each model."""
    import time

    from rich.live import Live

    from so8t_shared.cli.study_tables import grid_table
    from so8t_shared.studies.grid import grid_of
    from so8t_shared.studies.record import read_study

    loaded = _load(config)
    store = open_store(loaded.base)
    record = read_study(store, loaded.study.name)
    if not watch:
        out.print(grid_table(record, grid_of(store, record)))
        return
    with Live(console=err, refresh_per_second=2) as live:
        while not err.quiet:
            live.update(grid_table(record, grid_of(store, record)))
            time.sleep(1.0)


@app.command("report")
def report(config: StudyOption = None) -> None:
    """Judge the models that are complete, without running anything."""
    loaded = _load(config)
    with private_files():
        _judge(open_store(loaded.base), loaded)


def _load(path: Path | None) -> LoadedStudy:
    if path is None:
        raise ConfigError("No study is named.", where="--config", remedy="write -c STUDY.yaml")
    loaded = load_study(path)
    print_notes(loaded.notes)
    return loaded


def _check_inputs(loaded: LoadedStudy, store: ArtifactStore) -> None:
    """Report now what would fail hours later, once per arm."""
    from so8t_shared.planning.disk import check_disks
    from so8t_shared.planning.preflight import preflight
    from so8t_shared.studies.plan import disks_of, plan_study

    planned = plan_study(store, loaded)
    here = executions.BY_NAME[loaded.base.execution.kind].here
    notes: dict[str, None] = {}
    for arm in loaded.study.arms:
        members = [each for each in planned.members if each.member.arm is arm]
        needed = {name for each in members for name in each.to_run}
        notes |= dict.fromkeys(preflight(members[0].member.config, needed, here=here))
    print_notes(notes)
    if here:
        print_warnings(check_disks(disks_of(store, planned)))


def _show_plan(loaded: LoadedStudy) -> None:
    from so8t_shared.cli.study_tables import plan_of_study
    from so8t_shared.planning.disk import check_disks
    from so8t_shared.planning.preflight import preflight
    from so8t_shared.studies.plan import disks_of, plan_study

    store = open_store(loaded.base)
    planned = plan_study(store, loaded)
    out.print(plan_of_study(planned))
    for sentence in planned.sentences():
        out.print(sentence, highlight=False, markup=False)
    print_notes(dict.fromkeys(note for each in planned.members for note in preflight(each.member.config, each.to_run)))
    print_warnings(check_disks(disks_of(store, planned)))


def _judge(store: ArtifactStore, loaded: LoadedStudy) -> None:
    from so8t_shared.distribution import need_extras
    from so8t_shared.sessions.session import find_session
    from so8t_shared.studies.judging import judge_study

    need_extras(["so8t_evaluator", "so8t_reporter"])
    sessions = [find_session(store, member.config) for member in loaded.members]
    if not any(sessions):
        raise InputError("No model of this study has run.", where=store.location, remedy="run the study first")
    result, folder = judge_study(store, loaded, sessions)
    for sentence in result.sentences():
        out.print(sentence, highlight=False, markup=False)
    out.print(f"Report: {folder}/study.html", highlight=False, markup=False, soft_wrap=True)


def _say(text: str) -> None:
    err.print(text, highlight=False, markup=False, soft_wrap=True, style="bold")
