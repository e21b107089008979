"""`so8t-ab think token`: who may ask the /think service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from so8t_shared.cli.common import ConfigOption, SetOption, local_time, table_cell
from so8t_shared.config.load import load_config
from so8t_shared.errors import ConfigError
from so8t_shared.terminal.console import err, out, say

app = typer.Typer(help="Tokens of the clients that may ask: add, list, remove.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The client's name.")]


@app.command()
def add(
    name: NameArgument,
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    per_minute: Annotated[
        int, typer.Option("--per-minute", min=1, help="Decisions per minute: each text of a call.")
    ] = 600,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Requests at the same time.")] = 16,
) -> None:
    """Make a token and print it: once, for only its hash is kept.

    A sixth of the decisions of a minute may come at once.
    """
    from so8t_shared.client_tokens import add_token  # slow: pydantic models

    token = add_token(_file(config, overrides), name, requests_per_minute=per_minute, concurrency=concurrency)
    say(f"{token}\n")
    err.print("This is shown once. Clients send it as 'Authorization: Bearer TOKEN'.", style="dim", highlight=False)


@app.command("list")
def list_them(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """List the clients with their limits."""
    from so8t_shared.client_tokens import read_tokens  # slow: pydantic models

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "created", "per minute", "at once"):
        table.add_column(heading, justify="right" if heading in {"per minute", "at once"} else "left", no_wrap=True)
    for token in read_tokens(_file(config, overrides)).tokens:
        limits = (str(token.requests_per_minute), str(token.concurrency))
        table.add_row(*map(table_cell, (token.name, local_time(token.created), *limits)))
    out.print(table)


@app.command()
def remove(
    name: NameArgument,
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Remove a client; a running service refuses its next request."""
    from so8t_shared.client_tokens import remove_token  # slow: pydantic models

    remove_token(_file(config, overrides), name)
    out.print(f"removed: {name}", markup=False, highlight=False)


def _file(config: Path, overrides: list[str]) -> Path:
    path = load_config(config, overrides).think.tokens_file
    if path is None:
        raise ConfigError(
            "The configuration names no file for the tokens.",
            where="think.tokens_file",
            remedy="set it, for example to tokens.json",
        )
    return Path(path)
