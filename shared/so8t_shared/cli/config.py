"""`so8t-ab config`: check a configuration, import an original one, print one resolved, print the schema."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from so8t_shared.cli.common import ConfigOption, SetOption, print_notes
from so8t_shared.cli.plan import print_plan_of_test
from so8t_shared.config.load import load_config, notices, read_config
from so8t_shared.config.model import Config
from so8t_shared.config.table import config_table
from so8t_shared.errors import InputError
from so8t_shared.planning.preflight import preflight
from so8t_shared.planning.testing import plan_of_test
from so8t_shared.terminal.console import out, say
from so8t_shared.terminal.original_table import original_table

app = typer.Typer(help="Check a configuration, print it resolved, print its schema.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption, overrides: SetOption = []) -> None:  # noqa: B006 - typer's way to say "none given"
    """Check a configuration and list all faults at once.

    Also checks the model, data and device if they are on this host (otherwise prints a note), and shows what the test
    can find; for a file of the original pipeline, what each key becomes.
    """
    loaded = read_config(config, overrides)
    if loaded.original:
        out.print(original_table(loaded.original))
    print_notes([*notices(loaded.config), *loaded.notes(), *loaded.left_out(), *preflight(loaded.config)])
    print_plan_of_test(plan_of_test(loaded.config))
    out.print(f"{config} is a valid configuration.", highlight=False, markup=False, soft_wrap=True)


@app.command("import")
def import_original(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Original file.")],
    new: Annotated[Path, typer.Option("--output", "-o", metavar="NEW", help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a file of the original pipeline in today's form.

    The training file that it names becomes a part of it; comments are kept.
    """
    if new.exists() and not force:
        raise InputError("The file already exists.", where=str(new), remedy="name another file, or add --force")
    from so8t_shared.config.original.rewriting import write_import  # only here: no other command writes YAML back

    print_notes(write_import(old, new).left_out())
    done = f"{new}: written; next: so8t-ab config check -c {shlex.quote(str(new))}"
    out.print(done, highlight=False, markup=False, soft_wrap=True)


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
