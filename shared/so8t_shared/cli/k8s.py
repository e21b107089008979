"""`so8t-ab k8s`: the stages as Kubernetes Jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli.common import ConfigOption, SessionOption, SetOption, print_notes
from so8t_shared.config.load import notices, read_config
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out, say

app = typer.Typer(help="Run the stages as Kubernetes Jobs.", no_args_is_help=True)


@app.callback()
def k8s() -> None:
    """The stages as Kubernetes Jobs."""


@app.command("render")
def render(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the files; by default they are printed.")
    ] = None,
    session: SessionOption = "",
    jobset: Annotated[bool, typer.Option("--jobset", help="One JobSet instead of a Job per stage.")] = False,
    queue: Annotated[
        str, typer.Option("--queue", help="LocalQueue of Kueue; same as execution.kubernetes.queue.")
    ] = "",
) -> None:
    """Write the manifests of all stages: configuration, network policies, and a Job for each.

    Needs no cluster. Keys are not written: the first file says how to create the secrets. All Jobs may start at once,
    since each stage waits for those before it; with execution.kind: kubernetes, 'so8t-ab run' starts each in its turn.

    Examples:

      so8t-ab k8s render -c my.yaml -o k8s && kubectl apply -f k8s

      so8t-ab k8s render -c my.yaml --queue team-a --jobset | kubectl apply -f -
    """
    queued = [f"execution.kubernetes.queue={queue}"] if queue else []
    loaded = read_config(config, [*overrides, *queued])
    print_notes([*notices(loaded.config), *loaded.notes()])
    files = named("so8t_k8s.render:render")(loaded.config, session, as_set=jobset)
    if folder is None:
        say("---\n".join(files.values()))
        return
    named("so8t_k8s.render:write")(files, folder)
    out.print(
        f"{len(files)} files in {folder}: kubectl apply -f {folder}", markup=False, highlight=False, soft_wrap=True
    )
