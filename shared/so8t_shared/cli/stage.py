"""`so8t-ab stage NAME`: one stage, here or in a container."""

from __future__ import annotations

from typing import Annotated

import typer

from so8t_shared.cli.common import ConfigOption, SessionOption, SetOption, UntilDecidedOption, with_flags
from so8t_shared.config.load import load_config
from so8t_shared.running.events import Listeners, Scene
from so8t_shared.running.service import serve
from so8t_shared.stages import BY_NAME, stage_named


def stage(
    name: Annotated[str, typer.Argument(metavar="STAGE", help=", ".join(BY_NAME))],
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    session: SessionOption = "",
    until_decided: UntilDecidedOption = False,
    wait_s: Annotated[
        float,
        typer.Option("--wait-s", envvar="SO8T_WAIT_S", min=0, help="Seconds to wait for earlier stages."),
    ] = 0.0,
) -> None:
    """Run one stage, as its container does.

    Example:

      so8t-ab stage train -c my.yaml --wait-s 3600
    """
    chosen, overrides = stage_named(name), with_flags(overrides, until_decided=until_decided)
    with Listeners("stage").open(Scene([chosen])) as listeners:
        found, reused = serve(chosen, lambda: load_config(config, overrides), session, listeners, wait_s=wait_s)
    from so8t_shared.cli.announce import announce  # slow: loads the models of all results

    announce(chosen.name, found, reused=reused)
