"""`so8t-ab plan`: what a run would do, and why."""

from __future__ import annotations

from rich.table import Table

from so8t_shared.cli.common import ConfigOption, SetOption, open_workspace, table_cell
from so8t_shared.cli.output import out
from so8t_shared.plan import PlannedStage, make_plan

_STYLES = {"run": "yellow", "resume": "cyan", "reuse": "green"}


def plan(config: ConfigOption, overrides: SetOption = []) -> None:  # noqa: B006 - typer's way to say "none given"
    """Show for each stage whether it would run or be reused, and which part of its key changed."""
    workspace = open_workspace(config, overrides)
    print_plan(make_plan(workspace.store, workspace.config))


def print_plan(planned: list[PlannedStage]) -> None:
    """Print one line a stage."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "action", "fingerprint", "why"):
        table.add_column(heading, overflow="fold")
    for line in planned:
        style = _STYLES[line.action]
        short = line.fingerprint[:12] if line.fingerprint else "-"
        table.add_row(line.stage.name, f"[{style}]{line.action}[/]", short, table_cell("\n".join(line.why)))
    out.print(table)
