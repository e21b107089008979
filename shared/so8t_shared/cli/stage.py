"""`so8t-ab stage NAME`: one stage, here or in a container."""

from __future__ import annotations

import os
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
    debug = ["--debug"] if context.parent and context.parent.params.get("debug") else []
    sys.stdout.flush()
    sys.stderr.flush()
    # takes this process's place, so that signals and the exit code are the stage's own
    os.execv(sys.executable, [sys.executable, "-m", chosen.module, chosen.name, *context.args, *debug])  # noqa: S606
