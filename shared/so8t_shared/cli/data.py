"""`so8t-ab data`: work on rows before a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli import data_map
from so8t_shared.cli.common import SetOption
from so8t_shared.cli.plan import print_plan_of_test
from so8t_shared.config.load import load_for_files
from so8t_shared.distribution import need_extras
from so8t_shared.planning.testing import plan_of_rows
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out, say

app = typer.Typer(help="Look at rows before a run; map public data sets.", no_args_is_help=True)
app.command("map")(data_map.map_public)

_BAD_INPUT = 2


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, folders or Hub names.")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Configuration whose other keys apply.", show_default=False)
    ] = None,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    model: Annotated[
        Path | None, typer.Option("--model", help="Model folder: also count tokens.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what is in the rows, what is wrong, and what a test can find.

    Counts by class, split, language and group, thinking roles, encodings, duplicates. Exits with 2 if there are faults,
    of which it lists all.

    Examples:

      so8t-ab data check rows.jsonl

      so8t-ab data check train.csv val.csv --set dataset.columns.text=prompt_ja --set dataset.encoding=cp932
    """
    loaded = load_for_files(files, config, overrides)
    need_extras(["so8t_trainer"])
    found, tested = named("so8t_trainer.data.survey:survey")(loaded, model)
    found = found.model_copy(update={"plan": plan_of_rows(tested, loaded.ab_test)})
    if as_json:
        say(json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
    else:
        from so8t_shared.terminal.data_table import data_tables  # slow: loads the models of results

        out.print(data_tables(found))
        print_plan_of_test(found.plan)
    if found.faults:
        raise typer.Exit(_BAD_INPUT)
