"""`so8t-ab config`: check a configuration, print it resolved, print its schema."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
import yaml

from so8t_shared.cli.common import ConfigOption, SetOption, print_notes
from so8t_shared.cli.plan import print_plan_of_test
from so8t_shared.config.load import load_config, notices
from so8t_shared.config.model import Config
from so8t_shared.config.table import config_table
from so8t_shared.planning.preflight import preflight
from so8t_shared.planning.testing import plan_of_test
from so8t_shared.terminal.console import out, say

app = typer.Typer(help="Check a configuration, print it resolved, print its schema.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption, overrides: SetOption = []) -> None:  # noqa: B006 - typer's way to say "none given"
    """Check a configuration and list all faults at once.

    Also checks the model, data and device if they are on this host (otherwise prints a note), and shows what the test
    can find.
    """
    loaded = load_config(config, overrides)
    print_notes([*notices(loaded), *preflight(loaded)])
    print_plan_of_test(plan_of_test(loaded))
    out.print(f"{config} is a valid configuration.", highlight=False, markup=False, soft_wrap=True)


@app.command()
def show(config: ConfigOption, overrides: SetOption = []) -> None:  # noqa: B006 - typer's way to say "none given"
    """Print the configuration with every default filled in."""
    resolved = load_config(config, overrides).model_dump(mode="json")
    say(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))


@app.command()
def schema(
    form: Annotated[
        Literal["json", "table"], typer.Option("--format", help="JSON Schema, or a Markdown table.")
    ] = "json",
) -> None:
    """Print all keys with types, defaults and descriptions."""
    text = (
        json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
        if form == "json"
        else config_table()
    )
    say(text)
