"""The tensors of a checkpoint: names, types and shapes, without reading the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
from safetensors import SafetensorError, safe_open

from so8t_converter.plan import Stored
from so8t_shared.errors import InputError
from so8t_shared.lfs import refuse_pointer
from so8t_shared.models.hf_folder import INDEX, read_json, weight_files

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


@dataclass(frozen=True)
class StoredTensor:
    """The file, type and shape of one tensor."""

    file: Path
    dtype: str
    """safetensors' name, for example BF16."""
    shape: tuple[int, ...]


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """Return all tensors of the checkpoint by name.

    Raises:
        InputError: a file is missing, a Git LFS pointer, truncated or not safetensors, or the files
            lack tensors that the index lists.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in weight_files(folder):
        tensors.update(_tensors_in(path))
    index = folder / INDEX
    if index.is_file():
        missing = sorted(set(read_json(index)["weight_map"]) - set(tensors))
        if missing:
            raise InputError(
                f"{len(missing)} tensors listed in the index are in no file: {', '.join(missing[:3])}.",
                where=str(index),
                remedy="download the weights and their index again, from the same revision",
            )
    return tensors


def _tensors_in(path: Path) -> dict[str, StoredTensor]:
    refuse_pointer(path)
    try:
        with safe_open(path, framework="np") as file:
            views = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return {name: StoredTensor(path, view.get_dtype(), tuple(view.get_shape())) for name, view in views.items()}
    except SafetensorError as error:
        raise InputError(
            f"{path.name} is truncated or not a safetensors file ({error}).",
            where=f"{path}, {path.stat().st_size} bytes",
            remedy="download it again and compare its size with the original",
        ) from error


def stored_places(tensors: Mapping[str, StoredTensor]) -> dict[str, Stored]:
    """Return where each tensor lies, file by file and sorted by name, as llama.cpp's converter orders them."""
    found: dict[str, Stored] = {}
    for path in sorted({tensor.file for tensor in tensors.values()}):
        for name, tensor in gguf.utility.SafetensorsLocal(path).tensors.items():
            place = tensor.data_range
            found[name] = Stored(tensor.dtype, path, place.offset, place.size)
    return found
