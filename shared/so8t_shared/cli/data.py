"""`so8t-ab data`: work on data sets before a run."""

from __future__ import annotations

import typer

from so8t_shared.cli import data_map

app = typer.Typer(help="Map public data sets to the four classes.", no_args_is_help=True)
app.command("map")(data_map.map_public)
