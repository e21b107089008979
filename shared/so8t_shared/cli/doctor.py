"""`so8t-ab doctor`: what this machine has, and how to get what is missing."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from so8t_shared.cli.common import table_cell
from so8t_shared.machine import Finding, examine
from so8t_shared.terminal.console import out

_STYLES = {"ok": "green", "missing": "yellow", "bad": "red"}


def doctor(
    folder: Annotated[str, typer.Option("--folder", help="Folder whose free disk space is checked.")] = ".",
) -> None:
    """Show what this machine has and what the demo needs.

    Checks Python, torch, GPU, free memory and disk, Docker, MinIO and Ollama. Exits with 2 if the demo cannot run.
    """
    findings = examine(folder)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("part", "state", "found", "remedy"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        style = _STYLES[finding.state]
        table.add_row(
            finding.part, f"[{style}]{finding.state}[/]", table_cell(finding.found), table_cell(finding.remedy)
        )
    out.print(table)
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(2)


__all__ = ["Finding", "doctor"]
