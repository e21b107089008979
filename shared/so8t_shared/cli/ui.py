"""`so8t-ab ui`: the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli.common import ConfigOption, SetOption, print_notes
from so8t_shared.config.load import notices, read_config
from so8t_shared.distribution import need_extras
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out


def ui(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    host: Annotated[
        str, typer.Option("--host", envvar="SO8T_UI_HOST", help="Address to listen on; others' hosts need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", envvar="SO8T_UI_PORT", min=0, max=65535)] = 8351,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", envvar="SO8T_UI_TOKEN_FILE", help="File with the token that readers need."),
    ] = None,
    name: Annotated[
        list[str],
        typer.Option("--name", envvar="SO8T_UI_NAME", help="Another host name under which browsers reach it."),
    ] = [],  # noqa: B006
) -> None:
    """Show the sessions of a store in a browser; writes nothing.

    Live curves, logs, artifacts, plans, reports, and sessions side by side.

    Examples:

      so8t-ab ui -c my.yaml

      so8t-ab ui -c my.yaml --host 0.0.0.0 --token-file token.txt
    """
    need_extras(["so8t_dashboard"])
    loaded = read_config(config, overrides)
    print_notes([*notices(loaded.config), *loaded.notes()])

    def announce(address: str) -> None:
        out.print(f"the dashboard is at {address}", markup=False, highlight=False, soft_wrap=True)

    place = named("so8t_dashboard.serving:Place")(host, port, token_file, tuple(name))
    named("so8t_dashboard.serving:serve")(loaded.config, place, announce)
