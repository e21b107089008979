"""A conversion outside of any session: GGUF files from a folder, all of them or none.

Everything is made in a hidden folder inside the target, so that the finished files only have to be renamed. That folder
is removed however the work ends, except by a kill: then the same command goes on with what is in it, and any other
conversion to the same target removes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import yaml

from so8t_converter.checkpoint import read_config
from so8t_converter.convert import Conversion, convert
from so8t_converter.file_sizes import file_sizes
from so8t_converter.metadata import Metadata, training_metadata
from so8t_converter.output_file import Unfinished
from so8t_shared.artifacts.digests import file_state
from so8t_shared.canonical import digest
from so8t_shared.config.layers import chosen_layers
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


Paths = Mapping[Quantization, Path]
"""The final place of each file."""


def paths_of(conversion: Conversion, target: Path) -> Paths:
    """Return the files' places, named as llama.cpp's users know them: Phi-3.5-mini-instruct-Q4_K_M.gguf."""
    name = conversion.name or conversion.source.resolve().name or "model"
    return {quantization: target / f"{name}-{quantization.upper()}.gguf" for quantization in conversion.quantizations}


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
    asked: Conversion,
    target: Path,
    progress: Progress = no_progress,
    stop: StopSignal | None = None,
    *,
    force: bool = False,
) -> FolderConversion:
    """Write the files to the folder `target`; `progress` is called after every tensor.

    The source is a Hugging Face checkpoint, or the output of training with `merged/` in it; files are named after it
    if the conversion has no name.

    Raises:
        InputError: the folder cannot be converted, or a file exists and `force` is not set.
        ConfigError: a layer does not exist.
        StorageError: the disk has no room or cannot be written.
        Interrupted: `stop` was set.
    """
    stop = stop or StopSignal()
    paths = paths_of(asked, target)
    _refuse_existing(paths, force)
    if asked.imatrix and not asked.imatrix.is_file():
        raise InputError(
            "There is no such file.", where=str(asked.imatrix), remedy="name an importance matrix or a text"
        )
    source, metadata = _source(asked.source)
    values, _ = read_config(source)
    layers = sizes_of(values, source / "config.json").layers
    chosen_layers(asked.layers, range(layers), layers, key="--layers")

    def checked(done: int, total: int, message: str) -> None:
        progress(done, total, message)
        stop.check()

    conversion = replace(asked, source=source, name="model", metadata=metadata)
    key = _key(conversion)
    with _work_folder(target, key) as work:
        unfinished, output = Unfinished(work / UNFINISHED, key), work / "output"
        check_disks(disks_of(_written(conversion, target, unfinished.folder)), "conversion", _LESS)
        result = convert(conversion, output, work / "scratch", _InScratch(), checked, unfinished)
        stop.check()
        chat = ChatInfo.read(output / "chat.json")
        _refuse_existing(paths, force)
        _publish(output, result.files, paths, target)
    return FolderConversion(
        architecture=chat.architecture,
        parameters=chat.parameters,
        so8t=chat.so8t,
        files=[_described(file, paths) for file in result.files],
        seconds=result.seconds,
    )


def _refuse_existing(paths: Paths, force: bool) -> None:
    there = [path for path in paths.values() if path.exists()]
    if there and not force:
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
    matrix = conversion.imatrix and [conversion.imatrix.name, file_state(conversion.imatrix)]
    settings = [sorted(conversion.quantizations), conversion.rotation, conversion.layers, conversion.metadata, matrix]
    return digest([BY_NAME[CONVERTED_BY["a"]].version, versions(), settings, files])


def _written(conversion: Conversion, target: Path, unfinished: Path) -> Iterator[Written]:
    there = folder_bytes(unfinished, allocated=True)
    sizes = file_sizes(conversion.source, conversion.quantizations, has_imatrix=conversion.imatrix is not None)
    for quantization, size_bytes in sizes.items():
        yield Written("convert", quantization, target, max(0, size_bytes - there))
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


def _publish(output: Path, files: Sequence[GgufFile], paths: Paths, target: Path) -> None:
    for file in files:
        sync_folder(output / file.file)  # the file itself: its bytes must be on the disk before its name is
    with storage_errors(target):
        for file in files:
            (output / file.file).replace(paths[file.quantization])
        sync_folder(target)


def _described(file: GgufFile, paths: Paths) -> WrittenGguf:
    return WrittenGguf(
        path=str(paths[file.quantization]),
        bytes=file.size_bytes,
        sha256=file.sha256,
        quantization=file.quantization,
        tensors=file.tensor_types,
    )
