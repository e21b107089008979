"""Where the rungs of a ladder come from: the artifacts of a session, or the folder of any checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import input_digest
from so8t_shared.artifacts.manifests import FileEntry, Manifest
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.machine import ollama_version
from so8t_shared.models.hf_folder import holds_gates, read_json
from so8t_shared.models.served import ServedModel, find_served, quantization_of
from so8t_shared.places import gguf_name
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.sides import Side
from so8t_shared.stage_inputs import ModelInput
from so8t_shared.stage_options import TRAINED
from so8t_shared.tables.quantizations import Quantization

_WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class Given:
    """A folder or file, and the digest of what counts in it."""

    digest: str
    size_bytes: int
    """Of its weights."""
    fetch: Callable[[], Path]
    """Returns it, verified and on this host; a plan needs only the rest.

    Raises:
        IntegrityError: it is missing or altered.
    """
    about: Callable[[], Path]
    """Returns a folder with its small files, without weights; the GGUF file itself if it is one."""


@dataclass(frozen=True)
class Served:
    """The model as an Ollama server has it, whatever made it there."""

    model: ServedModel
    version: str
    """Of the server."""
    quantization: Quantization


@dataclass(frozen=True)
class Source:
    """One model in all its forms; those that are missing have no rung."""

    name: str
    side: Side | None = None
    base: Given | None = None
    """What adapter and gates were trained on."""
    trained: Given | None = None
    checkpoint: Given | None = None
    files: Mapping[Quantization, Given] = field(default_factory=dict)
    served: Served | None = None
    notes: Sequence[str] = ()


Outputs = Callable[[str], tuple[Artifact, Manifest]]
"""What a stage has left, by its name."""


def source_of_run(outputs: Outputs, config: Config, side: Side, digests: DigestCache) -> Source:
    """Return a model of a run.

    Raises:
        UpstreamError: its conversion or training has not finished.
        InputError: a folder that it was made from is gone.
        IntegrityError: an artifact is damaged.
    """
    artifact, manifest = outputs(CONVERTED_BY[side])
    names = [gguf_name(side, quantization) for quantization in config.gguf.quantizations]
    entries = {entry.path: entry for entry in manifest.files}
    files = {
        quantization: _file(artifact, manifest, entries[name])
        for quantization, name in zip(config.gguf.quantizations, names, strict=True)
        if name in entries
    }
    if not files:
        raise InputError(
            f"Model {side.upper()} has no GGUF file: it is on a server.",
            where="model_b.ollama",
            remedy="use so8t-ab ladder --model FOLDER --ollama NAME",
        )
    source = Source(f"model {side.upper()}", side, files=files)
    if side == "a":
        return _with_base(source, Path(config.model_a.base_model), digests)
    return _with_training(source, outputs, config, digests)


def source_of_folder(folder: Path, files: Mapping[Quantization, Path], digests: DigestCache) -> Source:
    """Return a model that was not trained here.

    Raises:
        InputError: this is no model's folder.
    """
    given = {
        quantization: Given(
            digests.sha256(path) if path.is_file() else "", size_of(path), *[lambda path=path: path] * 2
        )
        for quantization, path in files.items()
    }
    return _with_base(Source(folder.resolve().name, files=given), folder, digests)


def with_served(source: Source, name: str, address: str) -> Source:
    """Add the model as the Ollama server has it.

    Raises:
        InputError: it does not have the model, or none of the source's files has its quantization.
        ServerError: it does not answer.
    """
    model = find_served(name, address)
    shown = model.shown()
    quantization = quantization_of(shown)
    found = next((each for each in source.files if each == quantization), None)
    if found is None:
        raise InputError(
            f"Ollama has this model as {quantization or 'an unknown quantization'}, and the ladder has no such file.",
            where=f"{name} at {address}",
            remedy=f"name {quantization.upper() or 'its quantization'} in --quantizations or gguf.quantizations",
        )
    source = replace(source, served=Served(model, ollama_version(address) or "", found))
    digest = source.files[found].digest
    if digest and digest not in str(shown.get("modelfile")):
        return replace(source, notes=(*source.notes, f"{name} in Ollama was not made from this {found.upper()} file"))
    return source


def _with_base(source: Source, folder: Path, digests: DigestCache) -> Source:
    given = _folder(folder, digests)
    if holds_gates(read_json(folder / "config.json")):
        note = "its checkpoint has SO8T gates of the original project, which transformers does not know"
        return replace(source, notes=(*source.notes, note))
    return replace(source, checkpoint=given)


def _with_training(source: Source, outputs: Outputs, config: Config, digests: DigestCache) -> Source:
    if config.external_b:
        return replace(source, notes=("it is an external file: the ladder begins with it",))
    artifact, manifest = outputs("train")
    source = replace(source, checkpoint=_part(artifact, manifest, ("merged/",), "merged"))
    if not any(entry.path.startswith("adapter/") for entry in manifest.files):
        note = "all weights were trained, and only the checkpoint has them: the ladder begins with it"
        return replace(source, notes=(*source.notes, note))
    base = Path(config.base_of_b.base_model)
    return replace(
        source,
        base=_folder(base, digests),
        trained=_part(artifact, manifest, TRAINED),
    )


def _file(artifact: Artifact, manifest: Manifest, entry: FileEntry) -> Given:
    def fetch() -> Path:
        return artifact.materialize(manifest, (entry.path,)) / entry.path

    return Given(entry.sha256, entry.size_bytes, fetch, fetch)


def _part(artifact: Artifact, manifest: Manifest, prefixes: tuple[str, ...], below: str = "") -> Given:
    entries = [entry for entry in manifest.files if entry.path.startswith(prefixes)]
    small = tuple(entry.path for entry in entries if not entry.path.endswith(_WEIGHTS))
    return Given(
        manifest.content_digest(prefixes),
        sum(entry.size_bytes for entry in entries if entry.path.endswith(_WEIGHTS)),
        lambda: artifact.materialize(manifest, prefixes) / below,
        lambda: artifact.materialize(manifest, small) / below,
    )


def _folder(folder: Path, digests: DigestCache) -> Given:
    digest = input_digest(ModelInput("model", folder), digests)
    return Given(digest, sum(map(size_of, folder.glob(f"*{_WEIGHTS}"))), lambda: folder, lambda: folder)


def size_of(path: Path) -> int:
    """Return a file's size in bytes; 0 if it is not there yet."""
    return path.stat().st_size if path.is_file() else 0
