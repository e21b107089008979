"""`so8t-ab artifacts`: list, copy and delete what the store holds."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.downloads import left_downloads, remove_download
from so8t_shared.cli.common import ConfigOption, SetOption, local_time, open_workspace, print_notes, table_cell
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.files import folder_bytes, storage_errors
from so8t_shared.formatting import plural, size
from so8t_shared.privacy import private_files
from so8t_shared.running.scratch import left_scratch, remove_scratch
from so8t_shared.sessions.collection import collect, list_artifacts
from so8t_shared.stages import stage_named
from so8t_shared.terminal.console import err, out

_WHOLE = {"fingerprint", "created"}
"""Columns whose cells never wrap, however narrow the terminal is."""

app = typer.Typer(help="List, copy and clean up stored artifacts.", no_args_is_help=True)


@app.command("ls")
def list_them(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    stage: Annotated[str, typer.Option("--stage", help="Only this stage.")] = "",
) -> None:
    """List artifacts and the sessions that use them.

    Columns: stage, fingerprint, size, time and host of creation, sessions.
    """
    only = stage_named(stage).name if stage else ""
    workspace = open_workspace(config, overrides)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "fingerprint", "size", "created", "host", "sessions"):
        table.add_column(heading, justify="right" if heading == "size" else "left", no_wrap=heading in _WHOLE)
    for item in list_artifacts(workspace.store):
        if only in {"", item.artifact.stage}:
            made = item.manifest
            created, host = (local_time(made.created), made.host) if made else ("(incomplete)", "")
            cells = (item.artifact.stage, item.artifact.fingerprint[:12], size(item.size_bytes), created, host)
            table.add_row(*map(table_cell, (*cells, ", ".join(item.sessions))))
    out.print(table)


@app.command()
def verify(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Read every byte; name missing and damaged files, also rotten ones."""
    store, damaged, files = open_workspace(config, overrides).store, list[str](), 0
    for item in list_artifacts(store):
        files += len(item.manifest.files) if item.manifest else 0
        faults = item.artifact.damage()
        damaged += [f"{item.artifact.stage} {item.artifact.fingerprint[:12]}: {fault}" for fault in faults]
    for line in damaged:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    if damaged:
        raise IntegrityError(
            f"{len(damaged)} {plural(len(damaged), 'file is', 'files are')} missing or damaged.",
            where=store.location,
            remedy="check the disk, then run again: what a run needs of them is rebuilt",
        )
    out.print(f"{files} {plural(files, 'file is', 'files are')} as written", highlight=False, markup=False)


@app.command()
def get(
    fingerprint: Annotated[str, typer.Argument(help="Fingerprint, or its first characters.")],
    target: Annotated[Path, typer.Argument(help="Folder to copy the files to; it must not exist.")],
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Copy an artifact's files to a folder, and check them."""
    workspace = open_workspace(config, overrides)
    artifact = _find(fingerprint, [i.artifact for i in list_artifacts(workspace.store) if i.manifest])
    if target.exists():
        raise InputError(
            "The target already exists.", where=str(target), remedy="name a folder that does not exist yet"
        )
    manifest = artifact.manifest()
    assert manifest is not None
    source = artifact.materialize(manifest)
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    with storage_errors(target), private_files():
        try:
            unfinished.mkdir(parents=True)
            for entry in manifest.files:
                (unfinished / entry.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / entry.path, unfinished / entry.path)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    count = len(manifest.files)
    out.print(f"{count} {plural(count, 'file', 'files')} in {target}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def gc(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    keep: Annotated[int, typer.Option("--keep", min=1, help="Newest sessions whose artifacts are kept.")] = 3,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only show what would go.")] = False,
) -> None:
    """Delete what none of the newest sessions uses.

    Artifacts, abandoned checkpoints, files of killed attempts, cached answers. An older session's artifacts stay while
    a process works for it. On this host also scratch folders of killed stages, and old downloads of deleted artifacts.
    """
    workspace = open_workspace(config, overrides)
    found = collect(workspace.store, keep_sessions=keep, delete=yes, on_wait=_watching, on_unreadable=_unreadable)
    for item in found.artifacts:
        line = f"{item.artifact.stage:<10} {item.artifact.fingerprint[:12]} {size(item.size_bytes):>9}"
        out.print(line, highlight=False, markup=False)
    total = size(sum(item.size_bytes for item in found.artifacts))
    done = "deleted" if yes else "would be deleted; add --yes to delete"
    count = len(found.artifacts)
    out.print(f"{count} {plural(count, 'artifact', 'artifacts')}, {total} {done}", highlight=False, markup=False)
    if found.swept:
        total = size(sum(item.left_bytes for item in found.swept))
        out.print(f"files of ended attempts, {total} {done}", highlight=False, markup=False)
    if found.caches:
        total = size(sum(cache.size_bytes for cache in found.caches))
        out.print(f"cached answers, {total} {done}", highlight=False, markup=False)
    local = workspace.store.local_root
    _let_go("scratch folders of killed stages", left_scratch(local), remove_scratch, done, delete=yes)
    _let_go("downloads of deleted artifacts", left_downloads(workspace.store), remove_download, done, delete=yes)


def _let_go(what: str, folders: list[Path], remove: Callable[[Path], None], done: str, *, delete: bool) -> None:
    """Report folders on this host, and remove them if `delete`."""
    if folders:
        total = size(sum(map(folder_bytes, folders)))
        out.print(f"{what}, {total} {done}", highlight=False, markup=False)
    for folder in folders if delete else []:
        remove(folder)


def _watching(leases: int) -> None:
    err.print(
        f"{leases} of them may be in progress on another host or in a container: watching for up to a minute",
        highlight=False,
        markup=False,
    )


def _unreadable(session_id: str, fault: IntegrityError) -> None:
    note = f"artifacts of session {session_id} are kept: its record cannot be read ({fault.where}): {fault.what}"
    print_notes([f"{note} To release them, delete sessions/{session_id} in the store."])


def _find(fingerprint: str, artifacts: list[Artifact]) -> Artifact:
    found = [artifact for artifact in artifacts if artifact.fingerprint.startswith(fingerprint)]
    if len(found) != 1:
        many = "several artifacts start" if found else "no committed artifact starts"
        raise InputError(
            f"{many.capitalize()} with {fingerprint!r}.", where="FINGERPRINT", remedy="see 'so8t-ab artifacts ls'"
        )
    return found[0]
