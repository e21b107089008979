"""`so8t-ab plan`: what a run would do, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from so8t_shared.cli.common import (
    ConfigOption,
    SetOption,
    Workspace,
    open_workspace,
    print_notes,
    print_warnings,
    table_cell,
)
from so8t_shared.cli.disks import disk_table
from so8t_shared.config.model import Config
from so8t_shared.planning.disk import check_disks, plan_disks
from so8t_shared.planning.plan import PlannedStage, make_plan
from so8t_shared.planning.preflight import preflight
from so8t_shared.planning.testing import plan_of_test
from so8t_shared.planning.training import elsewhere, memory_of_training, try_training
from so8t_shared.results.plan import TestPlan
from so8t_shared.stages import STAGES, Stage
from so8t_shared.terminal.console import out
from so8t_shared.terminal.plan_table import plan_table

_STYLES = {"run": "yellow", "resume": "cyan", "reuse": "green"}


def plan(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    train: Annotated[
        bool, typer.Option("--train", help="Also take two training steps: their time and memory; keeps nothing.")
    ] = False,
) -> None:
    """Show what would run and why, and what the test can find.

    Also checks the inputs of stages that would run: license, rows, device, memory, Ollama server, free disk
    space.
    """
    workspace = open_workspace(config, overrides)
    show_plan(workspace)
    if train:
        _show_trial(workspace.config)


def show_dry_run(workspace: Workspace, stages: Sequence[Stage]) -> None:
    """Print the plan and, if training would run on this host, what two steps of it measure."""
    config = workspace.config
    if "train" not in show_plan(workspace, stages) or config.training.max_steps == 0:
        return
    if why := elsewhere(config):
        print_notes([f"no two steps were taken to measure the training: {why}"])
        return
    out.print()
    _show_trial(config)


def _show_trial(config: Config) -> None:
    for sentence in try_training(config).sentences(datetime.now().astimezone()):
        out.print(sentence, highlight=False, markup=False, soft_wrap=True)


def show_plan(workspace: Workspace, stages: Sequence[Stage] = STAGES) -> set[str]:
    """Print the plan of `stages` and of the test, and notes about inputs, or raise the error that would end the run.

    Returns the names of the stages that would not be reused.
    """
    planned = make_plan(workspace.store, workspace.config, stages)
    print_plan(planned)
    print_notes(preflight(workspace.config, to_run(planned)))
    if "train" in to_run(planned) and (memory := memory_of_training(workspace.config)):
        print_notes([memory])
    disks = plan_disks(workspace.config, workspace.store, planned)
    if disks:
        out.print()
        out.print(disk_table(disks))
    print_warnings(check_disks(disks))
    print_plan_of_test(plan_of_test(workspace.config, workspace.store, planned))
    return to_run(planned)


def print_plan_of_test(plan: TestPlan | None) -> None:
    """Print what the test can find, and which clauses of the gate it can decide; nothing if that is not known."""
    if plan is None:
        return
    out.print()
    out.print(plan_table(plan))
    for sentence in plan.sentences():
        out.print(sentence, highlight=False, markup=False)


def to_run(planned: list[PlannedStage]) -> set[str]:
    """Names of the stages that would not be reused."""
    return {line.stage.name for line in planned if line.action != "reuse"}


def print_plan(planned: list[PlannedStage]) -> None:
    """Print one line per stage."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "action", "fingerprint", "why"):
        table.add_column(heading, overflow="fold")
    for line in planned:
        style = _STYLES[line.action]
        short = line.fingerprint[:12] if line.fingerprint else "-"
        table.add_row(line.stage.name, f"[{style}]{line.action}[/]", short, table_cell("\n".join(line.why)))
    out.print(table)
