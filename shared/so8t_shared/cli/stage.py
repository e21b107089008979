"""`so8t-ab stage NAME`: one stage, here or in a container."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from so8t_shared.stages import stage_named


def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="STAGE", help="convert-a, train, convert-b, import, evaluate, report")],
) -> None:
    """Run one stage alone, as its container does: so8t-ab stage train -c my.yaml --wait-s 3600.

    Options after the name go to the stage; 'so8t-ab stage train --help' lists them.
    """
    chosen = stage_named(name)
    command = [sys.executable, "-m", chosen.module, chosen.name, *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
