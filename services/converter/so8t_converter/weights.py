"""The safetensors files of a checkpoint: what is in them, without reading the weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from so8t_converter.reading import read_json, refuse_pointer
from so8t_shared.errors import InputError

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies, and what it is."""

    file: Path
    dtype: str
    """safetensors' name, for example BF16."""
    shape: tuple[int, ...]


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the checkpoint, sorted.

    Raises:
        InputError: there are none, only pickled ones, one is missing, or it is unclear which count.
    """
    index = folder / _INDEX
    if index.is_file():
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict) or not names or not all(map(_plain_name, names.values())):
            raise InputError(
                f"{_INDEX} has no weight_map of tensor names to file names.",
                where=str(index),
                remedy="download the file again",
            )
        return _all_there(folder, sorted(set(names.values())))
    found = sorted(path.name for path in folder.glob("model*.safetensors"))
    if found == ["model.safetensors"]:
        return [folder / found[0]]
    if found:
        return _all_there(folder, _shards(folder, found))
    raise _no_weights(folder)


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """All tensors of the checkpoint, by name.

    Raises:
        InputError: a file is missing, a Git LFS pointer, truncated or not safetensors, or the
            files do not hold what the index lists.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in weight_files(folder):
        tensors.update(_tensors_in(path))
    index = folder / _INDEX
    if index.is_file():
        missing = sorted(set(read_json(index)["weight_map"]) - set(tensors))
        if missing:
            raise InputError(
                f"{len(missing)} tensors that the index lists are in no file: {', '.join(missing[:3])}.",
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


def _plain_name(value: object) -> bool:
    return isinstance(value, str) and value == Path(value).name


def _shards(folder: Path, found: list[str]) -> list[str]:
    """The complete list of shards that the found ones belong to."""
    matches = [_SHARD.fullmatch(name) for name in found]
    counts = {match.group(2) for match in matches if match}
    if None in matches or len(counts) != 1:
        raise InputError(
            f"It is unclear which of these files are the weights: {', '.join(found)}.",
            where=str(folder),
            remedy=f"keep model.safetensors alone, or add {_INDEX}",
        )
    total = int(counts.pop())
    return [f"model-{i + 1:05d}-of-{total:05d}.safetensors" for i in range(total)]


def _all_there(folder: Path, names: list[str]) -> list[Path]:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} weight files are missing: {', '.join(missing[:3])}.",
            where=str(folder),
            remedy="download the missing files",
        )
    return [folder / name for name in names]


def _no_weights(folder: Path) -> InputError:
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    if pickled:
        return InputError(
            f"The weights are pickled ({pickled[0]}), which can run code when read; only safetensors are.",
            where=str(folder),
            remedy="save the model with save_pretrained, or download its safetensors files",
        )
    return InputError(
        "The model folder has no weights (model.safetensors, or shards with an index).",
        where=str(folder),
        remedy="point base_model at a complete Hugging Face checkpoint folder",
    )
