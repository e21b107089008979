"""`so8t-ab data map`: rows of the four classes from a file of a public data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from so8t_shared.cli.common import table_cell
from so8t_shared.distribution import need_extras
from so8t_shared.errors import InputError
from so8t_shared.formatting import visible
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out


def map_public(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a recipe; a wrong one lists all of them.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of that data set, as published.")],
    target: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="JSONL file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Map a file of a public data set to the four classes, and record its license and origin beside it.

    Recipes: qwen3guard-test, guardmeter, wildguardmix, xstest, or-bench. You download the file and accept its terms.

    Example:

      so8t-ab data map xstest xstest_prompts.csv -o inputs/xstest/rows.jsonl
    """
    need_extras(["so8t_trainer"])
    if target.exists() and not force:
        raise InputError("The file already exists.", where=str(target), remedy="name another file, or add --force")
    outcome = named("so8t_trainer.data.recipes.mapping:map_file")(name, file, target)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("there", "here", "rows"):
        table.add_column(heading, justify="right" if heading == "rows" else "left", overflow="fold")
    for (original, label), count in sorted(outcome.kept.items()):
        table.add_row(table_cell(visible(original)), label, f"{count:,}")
    for (original, why), count in sorted(outcome.left_out.items()):
        table.add_row(table_cell(visible(original)), table_cell(f"left out: {why}"), f"{count:,}")
    out.print(table)
    kept, left = sum(outcome.kept.values()), sum(outcome.left_out.values())
    done = (
        f"{target}: {kept:,} rows, {left:,} left out; license and origin are in {target.with_name('dataset_card.yaml')}"
    )
    out.print(done, highlight=False, markup=False, soft_wrap=True)
