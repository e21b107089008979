"""`so8t-ab export`: copy a model out of the store, with a Modelfile that works beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.copies import EVALUATED_KEY, SESSION_KEY, NamedCopy
from so8t_shared.artifacts.manifests import FileEntry, Manifest
from so8t_shared.cli.announce import commands
from so8t_shared.cli.common import ConfigOption, SetOption, Workspace, no_session, open_workspace
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.files import write_atomically
from so8t_shared.formatting import size
from so8t_shared.results.registry import MODELFILES, REGISTRY_FILE, ImportedModel, Registry
from so8t_shared.results.sides import Side
from so8t_shared.running.export import named_modelfile
from so8t_shared.sessions.outputs import demand_output
from so8t_shared.sessions.session import find_session, read_record
from so8t_shared.terminal.console import err, out

_SHOW_FROM_BYTES = 64 << 20
_OTHER_DIGEST = (
    "Its sha256 is not that of the tested file ({tested}), because its metadata also has"
    f" {SESSION_KEY} and {EVALUATED_KEY}; all weights are the same bytes."
)


@dataclass(frozen=True)
class _Export:
    """A model in the store, and where to copy it."""

    model: ImportedModel
    copy: NamedCopy
    gguf: Path
    modelfile: Path
    recipe: bytes
    """Content of the Modelfile."""

    @cached_property
    def has_gguf(self) -> bool:
        """Whether the model was copied before."""
        return self.copy.is_at(self.gguf)

    @property
    def has_modelfile(self) -> bool:
        """Whether the Modelfile was written before."""
        return self.modelfile.is_file() and self.modelfile.read_bytes() == self.recipe


def export(
    config: ConfigOption,
    to: Annotated[Path, typer.Option("--to", help="Folder, or a new name that ends in .gguf.", show_default=False)],
    session: Annotated[str, typer.Argument(envvar="SO8T_SESSION", help="By default the configuration's session.")] = "",
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    side: Annotated[Side, typer.Option("--model", help="Model.")] = "b",
    quantization: Annotated[str, typer.Option("--quantization", "-q", help="By default the primary one.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what would be copied.")] = False,
) -> None:
    """Copy a model and its Modelfile out of the store, verified.

    The copy's metadata names the session.

    Example:

      so8t-ab export -c my.yaml --quantization q4_k_m --to ~/models
    """
    wanted = _find(open_workspace(config, overrides), session, side, quantization.lower(), to)
    if not force:
        _check_free(wanted)
    _print(f"{wanted.gguf}: {size(wanted.copy.entry.size_bytes)}{', already there' if wanted.has_gguf else ''}")
    if dry_run:
        _print("Nothing copied: --dry-run.")
        return
    if not wanted.has_gguf:
        _copy(wanted)
    if not wanted.has_modelfile:
        write_atomically(wanted.modelfile, wanted.recipe)
    _print(_OTHER_DIGEST.format(tested=wanted.copy.entry.sha256))
    for line in commands(wanted.modelfile.parent, wanted.modelfile.name, wanted.model.name):
        _print(line)


def _find(workspace: Workspace, session: str, side: Side, quantization: str, to: Path) -> _Export:
    store = workspace.store
    if session:
        read_record(store, session)
    session_id = session or find_session(store, workspace.config)
    if not session_id:
        raise no_session(workspace)
    imported, manifest = demand_output(store, session_id, "import")
    folder = imported.materialize(manifest, (REGISTRY_FILE, MODELFILES))
    model = _choose(Registry.read(folder / REGISTRY_FILE), side, quantization)
    recipe = (folder / model.modelfile).read_bytes()
    artifact, manifest = demand_output(store, session_id, model.stage)
    gguf, modelfile = to / model.file, to / Path(model.modelfile).name
    if to.suffix == ".gguf" and not to.is_dir():
        gguf, modelfile = to, to.with_suffix(".Modelfile")
        recipe = recipe.replace(f"FROM ./{model.file}".encode(), f"FROM ./{to.name}".encode(), 1)
    copy = NamedCopy(artifact, _entry(artifact, manifest, model), session_id)
    return _Export(model, copy, gguf, modelfile, named_modelfile(recipe, session_id))


def _choose(registry: Registry, side: Side, quantization: str) -> ImportedModel:
    models = [model for model in registry.models if model.model == side]
    for model in models:
        if model.served:
            raise InputError(
                "Model B was on its Ollama server before the test; the store has no copy.",
                where=f"{model.name}, digest {model.server_digest}",
                remedy=f"use it there: ollama run {model.name}",
            )
        if model.quantization == quantization or (not quantization and model.aliases):
            return model
    raise InputError(
        f"Model {side.upper()} was not made at {quantization}.",
        where="--quantization",
        remedy=f"use one of {', '.join(model.quantization for model in models)}",
    )


def _entry(artifact: Artifact, manifest: Manifest, model: ImportedModel) -> FileEntry:
    for entry in manifest.files:
        if (entry.path, entry.sha256) == (model.file, model.sha256):
            return entry
    raise IntegrityError(
        f"The {model.file} in the store is not the one that was tested.",
        where=f"{artifact.store.location}, {artifact.prefix}",
        remedy="run again, which tests it",
    )


def _check_free(wanted: _Export) -> None:
    """Refuse to overwrite another file.

    Raises:
        InputError: there is one under one of the two names.
    """
    right = {wanted.gguf: wanted.has_gguf, wanted.modelfile: wanted.has_modelfile}
    different = [str(path) for path, same in right.items() if path.exists() and not same]
    if different:
        raise InputError(
            "A different file is already there.",
            where=", ".join(different),
            remedy="choose another folder, or add --force to overwrite it",
        )


def _copy(wanted: _Export) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    total = wanted.copy.entry.size_bytes
    with Progress(*columns, console=err, transient=True, disable=total < _SHOW_FROM_BYTES) as progress:
        task = progress.add_task(wanted.gguf.name, total=total)
        wanted.copy.write(wanted.gguf, lambda done: progress.update(task, completed=done))


def _print(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
