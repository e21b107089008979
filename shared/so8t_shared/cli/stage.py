"""`so8t-ab stage NAME`: one stage, here or in a container."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from so8t_shared.cli.common import ConfigOption, SessionOption, SetOption
from so8t_shared.distribution import need_extras
from so8t_shared.processes import check_stages_can_run
from so8t_shared.stages import stage_named


def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="STAGE", help="convert-a, train, convert-b, import, evaluate, report")],
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    session: SessionOption = "",
    wait_s: Annotated[
        float,
        typer.Option("--wait-s", envvar="SO8T_WAIT_S", min=0, help="Seconds to wait for the stages before this one."),
    ] = 0.0,
) -> None:
    """Run one stage alone, as its container does.

    Example:

      so8t-ab stage train -c my.yaml --wait-s 3600
    """
    check_stages_can_run("so8t-ab stage")
    chosen = stage_named(name)
    need_extras([chosen.module])
    given = [part for override in overrides for part in ("--set", override)]
    debug = ["--debug"] if context.parent and context.parent.params.get("debug") else []
    arguments = ["--config", str(config), *given, "--session", session, "--wait-s", str(wait_s), *debug]
    sys.stdout.flush()
    sys.stderr.flush()
    # takes this process's place, so that signals and the exit code are the stage's own
    os.execv(sys.executable, [sys.executable, "-m", chosen.module, chosen.name, *arguments])  # noqa: S606
