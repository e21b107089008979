"""`so8t-ab think`: the /think service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli import think_token
from so8t_shared.cli.common import SetOption
from so8t_shared.config.load import load_config
from so8t_shared.distribution import need_extras
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out

app = typer.Typer(invoke_without_command=True)
app.add_typer(think_token.app, name="token")


@app.callback()
def think(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="SO8T_CONFIG", help="Configuration file (YAML).", show_default=False),
    ] = None,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    wait: Annotated[
        bool, typer.Option("--wait", help="Start before the session's test is over; until then, clients get 503.")
    ] = False,
) -> None:
    """Serve model B of a tested session; only what it decided leaves.

    Answers POST /think, OpenAI's /v1/chat/completions and /v1/moderations, and LiteLLM's guardrail call. Thinking never
    leaves; whatever is in doubt is ESCALATION, with a reason. The section think: says where it listens and what it
    serves. SIGTERM ends it once open requests are answered; SIGHUP reads the configuration again.

    Examples:

      so8t-ab think -c my.yaml

      curl http://127.0.0.1:8350/think -H 'content-type: application/json' -d '{"query": "May I take the files home?"}'
    """
    if context.invoked_subcommand:
        return
    if config is None:
        raise typer.BadParameter("name the configuration", ctx=context, param_hint="--config")
    need_extras(["so8t_gateway"])

    def announce(address: str) -> None:
        out.print(f"answering at {address}", markup=False, highlight=False, soft_wrap=True)

    named("so8t_gateway.serving:serve")(lambda: load_config(config, overrides), announce, wait=wait)
