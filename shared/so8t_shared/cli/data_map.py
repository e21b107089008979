"""`so8t-ab data map`: rows of the four classes from a file of a public data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from so8t_shared.cli.common import table_cell
from so8t_shared.distribution import need_extras
from so8t_shared.errors import InputError
from so8t_shared.escapes import visible
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out


def map_public(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Recipe.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File as published.")],
    target: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="JSONL file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Map a public data set to the four classes.

    Writes a card with license and origin beside the rows.

    NAME is qwen3guard-test, guardmeter, wildguardmix, xstest or or-bench.
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
