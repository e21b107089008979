"""Checks on a Hugging Face folder before any weights are read, shared by training, conversion and `plan`.

Every error says what is wrong and what to do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.foreign import UnparsableError, parse_json
from so8t_shared.lfs import refuse_pointer
from so8t_shared.models.folder_shapes import check_values
from so8t_shared.tables.architectures import FOREIGN_SO8T, architecture_name

INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        InputError: the file is missing, a Git LFS pointer, not JSON in UTF-8, not an object, or has impossible values.
    """
    if not path.is_file():
        raise InputError(
            f"The model folder has no {path.name}.",
            where=str(path),
            remedy="use a complete Hugging Face checkpoint folder",
        )
    refuse_pointer(path)
    try:
        value = parse_json(path.read_bytes())
    except UnparsableError as error:
        raise InputError(
            f"{path.name} is not valid JSON: {error.why}.",
            where=error.place(path),
            remedy="correct it there, or download the file again",
        ) from error
    if not isinstance(value, dict):
        raise InputError(
            f"{path.name} contains a value of type {type(value).__name__}, not an object.",
            where=str(path),
            remedy="download the file again",
        )
    check_values(path, value)
    return value


class JsonFiles(dict[str, dict[str, Any]]):
    """A model folder's JSON files by name, each parsed once (a tokenizer.json may take a quarter of a second).

    A missing file is an empty object; a broken one raises `InputError`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        self[name] = read_json(path) if path.is_file() else {}
        return self[name]


def token_ids(files: JsonFiles) -> dict[str, int]:
    """Ids by text of all tokens in the tokenizer's files, including added ones."""
    fast = files["tokenizer.json"]
    ids: dict[str, int] = {}
    vocabulary = (fast.get("model") or {}).get("vocab")
    if isinstance(vocabulary, dict):
        ids.update(vocabulary)
    ids.update(
        {token["content"]: token["id"] for token in fast.get("added_tokens") or [] if token.get("id") is not None}
    )
    ids.update(files["added_tokens.json"])
    decoder = files["tokenizer_config.json"].get("added_tokens_decoder") or {}
    ids.update({token["content"]: int(index) for index, token in decoder.items()})
    return ids


def holds_gates(config: dict[str, Any]) -> bool:
    """Whether config.json marks the checkpoint as one of the original project's, which contain SO8T gates."""
    return architecture_name(config) == FOREIGN_SO8T or bool(config.get("so8t_integrated"))


def refuse_quantized(config: dict[str, Any], path: Path) -> None:
    """Check that a checkpoint was not saved in quantized form; `path` is its config.json.

    Raises:
        InputError: it was saved in quantized form.
    """
    if settings := config.get("quantization_config"):
        method = settings.get("quant_method", "unknown") if isinstance(settings, dict) else "unknown"
        raise InputError(
            f"The checkpoint was saved in quantized form ({method}); its full precision is lost.",
            where=f"{path}, key quantization_config",
            remedy="use the original checkpoint, or merge and save the model from its full-precision base",
        )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the checkpoint, sorted.

    Raises:
        InputError: there are none, only pickled weights, some are missing, or the set of shards is ambiguous.
    """
    index = folder / INDEX
    if index.is_file():
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict) or not names or not all(map(_plain_name, names.values())):
            raise InputError(
                f"{INDEX} has no weight_map from tensor names to file names.",
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


def _plain_name(value: object) -> bool:
    return isinstance(value, str) and value == Path(value).name


def _shards(folder: Path, found: list[str]) -> list[str]:
    """Names of all shards of the set that the found ones belong to."""
    matches = [_SHARD.fullmatch(name) for name in found]
    counts = {match.group(2) for match in matches if match}
    if None in matches or len(counts) != 1:
        raise InputError(
            f"It is unclear which of these files are the weights: {', '.join(found)}.",
            where=str(folder),
            remedy=f"keep only model.safetensors, or add {INDEX}",
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
            f"The weights are pickled ({pickled[0]}), which can run code when loaded; only safetensors are read.",
            where=str(folder),
            remedy="save the model with save_pretrained, or download its safetensors files",
        )
    return InputError(
        "The model folder has no weights (model.safetensors, or shards with an index).",
        where=str(folder),
        remedy="use a complete Hugging Face checkpoint folder",
    )
