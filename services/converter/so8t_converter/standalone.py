"""A conversion outside of any session: GGUF files from a folder, all of them or none.

Everything is made in a hidden folder inside the target, so that the finished files only have to be renamed. That folder
is removed however the work ends, except by a kill: then the same command goes on with what is in it, and any other
conversion to the same target removes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from so8t_converter.checkpoint import read_config
from so8t_converter.convert import Conversion, convert
from so8t_converter.file_sizes import file_sizes
from so8t_converter.metadata import Metadata, training_metadata
from so8t_converter.output_file import Unfinished
from so8t_shared.artifacts.digests import file_state
from so8t_shared.canonical import digest
from so8t_shared.config.layers import ALL, chosen_layers
from so8t_shared.config.values import Rotation
from so8t_shared.errors import InputError, Interrupted
from so8t_shared.files import folder_bytes, make_folder, remove_tree, storage_errors, sync_folder
from so8t_shared.formatting import plural
from so8t_shared.host import versions
from so8t_shared.interruption import StopSignal
from so8t_shared.planning.disk import Written, check_disks, disks_of
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.conversion import CONVERTED_BY, ChatInfo, GgufFile
from so8t_shared.results.folder_conversion import FolderConversion, WrittenGguf
from so8t_shared.running.scratch import UNFINISHED, scratch_folder, scratch_stem
from so8t_shared.stages import BY_NAME
from so8t_shared.tables.architectures import sizes_of
from so8t_shared.tables.quantizations import Quantization

_HIDDEN = ".so8t-ab"
_MERGED, _TRAINING = "merged", "training_config.yaml"
_LESS = "free some space, request fewer quantizations, or name a folder on another disk"


@dataclass(frozen=True)
class Request:
    """What to convert."""

    folder: Path
    """A Hugging Face checkpoint, or the output of training with `merged/` in it."""
    target: Path
    """Folder for the files."""
    quantizations: tuple[Quantization, ...]
    name: str = ""
    """Of the model, in file names; by default the folder's."""
    rotation: Rotation = "cayley"
    """How to interpret the gates of a foreign SO8T checkpoint."""
    layers: str = ALL
    """Which layers of a foreign SO8T checkpoint have gates."""
    force: bool = False
    """Whether to overwrite files."""

    def path(self, quantization: Quantization) -> Path:
        """Path of a file, named as llama.cpp's users know it: Phi-3.5-mini-instruct-Q4_K_M.gguf."""
        name = self.name or self.folder.resolve().name or "model"
        return self.target / f"{name}-{quantization.upper()}.gguf"


class _InScratch:
    """Finished files of a conversion that cannot be resumed: they stay where they were made."""

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}

    def names(self) -> list[str]:
        return list(self._folders)

    def save(self, name: str, folder: Path) -> None:
        self._folders[name] = folder

    def load(self, name: str) -> Path:
        return self._folders[name]


def convert_folder(
    request: Request, progress: Progress = no_progress, stop: StopSignal | None = None
) -> FolderConversion:
    """Write the files of the request; `progress` is called after every tensor.

    Raises:
        InputError: the folder cannot be converted, or a file exists and `force` is not set.
        ConfigError: a layer does not exist.
        StorageError: the disk has no room or cannot be written.
        Interrupted: `stop` was set.
    """
    stop = stop or StopSignal()
    _refuse_existing(request)
    source, metadata = _source(request.folder)
    values, _ = read_config(source)
    layers = sizes_of(values, source / "config.json").layers
    chosen_layers(request.layers, range(layers), layers, key="--layers")

    def checked(done: int, total: int, message: str) -> None:
        progress(done, total, message)
        stop.check()

    conversion = Conversion(source, "model", request.quantizations, request.rotation, request.layers, metadata=metadata)
    key = _key(conversion)
    with _work_folder(request.target, key) as work:
        unfinished, output = Unfinished(work / UNFINISHED, key), work / "output"
        check_disks(disks_of(_written(request, source, unfinished.folder)), "conversion", _LESS)
        result = convert(conversion, output, work / "scratch", _InScratch(), checked, unfinished)
        stop.check()
        chat = ChatInfo.read(output / "chat.json")
        _publish(request, output, result.files)
    return FolderConversion(
        architecture=chat.architecture,
        parameters=chat.parameters,
        so8t=chat.so8t,
        files=[_described(request, file) for file in result.files],
        seconds=result.seconds,
    )


def _refuse_existing(request: Request) -> None:
    there = [path for path in map(request.path, request.quantizations) if path.exists()]
    if there and not request.force:
        raise InputError(
            f"{len(there)} {plural(len(there), 'file exists', 'files exist')} already.",
            where=", ".join(map(str, there)),
            remedy="name another folder or another --name, or add --force to overwrite them",
        )


def _source(folder: Path) -> tuple[Path, Metadata]:
    """The checkpoint, and what its files say about the training that made it."""
    if not folder.is_dir():
        raise InputError(
            "This is not a folder." if folder.exists() else "There is no such folder.",
            where=str(folder),
            remedy="name the folder of a downloaded Hugging Face checkpoint, with config.json and *.safetensors",
        )
    if (folder / "config.json").exists() or not (folder / _MERGED / "config.json").is_file():
        return folder, {}
    training = folder / _TRAINING
    if not training.is_file():
        return folder / _MERGED, {}
    try:
        return folder / _MERGED, training_metadata(folder)
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"This is not the configuration of a training ({type(error).__name__}).",
            where=str(training),
            remedy=f"copy the output of training again, or convert {folder / _MERGED} alone",
        ) from error


def _key(conversion: Conversion) -> str:
    """What the bytes of the files depend on; a file of the checkpoint counts as unchanged by git's rule."""
    files = [[path.name, file_state(path)] for path in sorted(conversion.source.iterdir()) if path.is_file()]
    settings = [*conversion.quantizations, conversion.rotation, conversion.layers, conversion.metadata]
    return digest([BY_NAME[CONVERTED_BY["a"]].version, versions(), settings, files])


def _written(request: Request, source: Path, unfinished: Path) -> Iterator[Written]:
    there = folder_bytes(unfinished, allocated=True)
    for quantization, size_bytes in file_sizes(source, request.quantizations).items():
        yield Written("convert", quantization, request.target, max(0, size_bytes - there))
        there = max(0, there - size_bytes)


@contextmanager
def _work_folder(target: Path, key: str) -> Iterator[Path]:
    """A hidden folder in `target`, which is made if needed and removed again if it stays empty."""
    made = [path for path in (target, *target.parents) if not path.exists()]
    make_folder(target)
    hidden = target / _HIDDEN
    try:
        with scratch_folder(hidden, scratch_stem("convert", key)) as work:
            try:
                yield work
            except Interrupted:  # a command that is stopped leaves nothing, unlike a stage
                remove_tree(work / UNFINISHED)
                raise
    finally:
        for folder in (hidden / "scratch", hidden, *made):
            with suppress(OSError):
                folder.rmdir()  # only if it is empty


def _publish(request: Request, output: Path, files: Sequence[GgufFile]) -> None:
    for file in files:
        sync_folder(output / file.file)  # the file itself: its bytes must be on the disk before its name is
    _refuse_existing(request)
    with storage_errors(request.target):
        for file in files:
            (output / file.file).replace(request.path(file.quantization))
        sync_folder(request.target)


def _described(request: Request, file: GgufFile) -> WrittenGguf:
    return WrittenGguf(
        path=str(request.path(file.quantization)),
        bytes=file.size_bytes,
        sha256=file.sha256,
        quantization=file.quantization,
        tensors=file.tensor_types,
    )
