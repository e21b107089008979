"""Fingerprints: what decides a stage's output, and nothing else.

A key is made of the stage's name and version, the part of the configuration that it reads, the
digests of the upstream files that it reads and of its inputs outside the store. Paths are not in
it: moving or touching a file changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.canonical import digest
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.lfs import refuse_pointer
from so8t_shared.stages import DataInput, ModelInput, Stage

_NOT_PART_OF_A_MODEL = {".md", ".py", ".png", ".jpg", ".txt.lock", ".gitattributes", ".gitignore"}
_DEMO_INPUTS = "demo-run"
_DATA_SUFFIXES = {".json", ".jsonl", ".csv", ".parquet"}


def stage_key(stage: Stage, config: Config, upstream: dict[str, Manifest], digests: DigestCache) -> dict[str, Any]:
    """The parts of a stage's fingerprint; `upstream` holds a manifest for each stage it needs."""
    whole = config.model_dump(mode="json")
    return {
        "stage": stage.name,
        "version": stage.version,
        "config": {dotted: _value(whole, dotted) for dotted in stage.reads},
        "upstream": {name: upstream[name].content_digest(prefixes) for name, prefixes in stage.needs.items()},
        "inputs": {item.name: input_digest(item, digests) for item in stage.inputs(config)},
    }


def fingerprint(key: dict[str, Any]) -> str:
    """sha256 of the canonical JSON of a key."""
    return digest(key)


def changed_parts(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """What differs between two keys, one 'part: old -> new' each, digests shortened."""
    changes = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        path = f"{prefix}{name}"
        if isinstance(before, dict) and isinstance(after, dict):
            changes += changed_parts(before, after, "" if path in {"config", "inputs"} else f"{path}.")
        else:
            changes.append(f"{path}: {_short(before)} -> {_short(after)}")
    return changes


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 and " " not in text else text[:60]


def _value(whole: dict[str, Any], dotted: str) -> Any:
    value: Any = whole
    for part in dotted.split("."):
        value = value[part] if value is not None else None
    return value


def input_digest(item: ModelInput | DataInput, digests: DigestCache) -> str:
    """Digest of the bytes of a model folder, a data file or folder; of the name for a Hub data set.

    Raises:
        InputError: it is missing, unreadable, or a Git LFS pointer.
    """
    if isinstance(item, ModelInput):
        return _model_digest(item, digests)
    return _data_digest(item, digests)


def check_model_folder(item: ModelInput) -> None:
    """Look from outside whether a model's folder can be one.

    Raises:
        InputError: it is missing, or holds no config.json.
    """
    if not item.path.is_dir():
        raise InputError(
            f"The folder of {item.name} does not exist.",
            where=f"{item.name}.base_model = {item.path}",
            remedy=_how_to_get(item.path, "download the checkpoint first, or correct the path"),
        )
    if not (item.path / "config.json").is_file():
        raise InputError(
            f"The folder of {item.name} has no config.json, so it is no Hugging Face checkpoint.",
            where=f"{item.name}.base_model = {item.path}",
            remedy="give the folder that holds config.json and the safetensors files",
        )


def _model_digest(item: ModelInput, digests: DigestCache) -> str:
    check_model_folder(item)
    files = [p for p in sorted(item.path.rglob("*")) if p.is_file() and _belongs(p.relative_to(item.path))]
    return digest([[p.relative_to(item.path).as_posix(), _file_digest(p, digests)] for p in files])


def _belongs(relative: Path) -> bool:
    hidden = any(part.startswith(".") for part in relative.parts)
    return not hidden and relative.suffix.lower() not in _NOT_PART_OF_A_MODEL


def _data_digest(item: DataInput, digests: DigestCache) -> str:
    path = Path(item.path)
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in _DATA_SUFFIXES and p.is_file()]
        parts = [[p.relative_to(path).as_posix(), _file_digest(p, digests)] for p in files]
        return digest([*parts, _card_digest(path, digests)])
    if path.is_file():
        return digest([path.suffix.lower(), _file_digest(path, digests), _card_digest(path.parent, digests)])
    if looks_like_hub_name(item.path):
        return digest(["hub", item.path])
    raise InputError(
        "The data set does not exist.",
        where=f"{item.name} = {item.path}",
        remedy=_how_to_get(path, "correct the path in the configuration"),
    )


def _how_to_get(path: Path, otherwise: str) -> str:
    """What to do about a missing input: the demo's are made by a command."""
    made = path.parts[:1] == (_DEMO_INPUTS,)
    return "run 'make inputs', which makes the demo's model and data set" if made else otherwise


def _card_digest(folder: Path, digests: DigestCache) -> str | None:
    card = folder / "dataset_card.yaml"
    return _file_digest(card, digests) if card.is_file() else None


def looks_like_hub_name(path: str) -> bool:
    """Whether a path that names no file or folder may be a Hub data set, OWNER/NAME."""
    return path.count("/") == 1 and not path.startswith((".", "/", "~")) and not Path(path).suffix


def _file_digest(path: Path, digests: DigestCache) -> str:
    if not os.access(path, os.R_OK):
        raise InputError("The file cannot be read.", where=str(path), remedy="give this user the right to read it")
    refuse_pointer(path)
    return digests.sha256(path)
