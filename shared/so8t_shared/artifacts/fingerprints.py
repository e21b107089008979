"""Fingerprints: a digest of everything that affects a stage's output, and nothing else.

A key consists of the stage's name and version, the part of the configuration that it reads, and the
digests of the upstream files that it reads and of its inputs outside the store. It contains no paths:
moving or touching a file changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.canonical import digest
from so8t_shared.config.drives import VARIABLE, explained, is_elsewhere
from so8t_shared.config.model import Config
from so8t_shared.dataset_card import CARD, terms_beside
from so8t_shared.errors import InputError
from so8t_shared.lfs import refuse_pointer
from so8t_shared.models.served import find_served
from so8t_shared.places import in_container
from so8t_shared.stage_inputs import DataInput, ExternalInput, FileInput, ModelInput, ServedInput
from so8t_shared.stages import Stage

_NOT_PART_OF_A_MODEL = {".md", ".py", ".png", ".jpg", ".txt.lock", ".gitattributes", ".gitignore"}
_DEMO_INPUTS = "demo-run"
Key = dict[str, Any]
"""The parts of a fingerprint; see `stage_key`."""

_DATA_SUFFIXES = {".json", ".jsonl", ".csv", ".tsv", ".parquet"}


def stage_key(stage: Stage, config: Config, upstream: dict[str, Manifest], digests: DigestCache) -> Key:
    """The parts of a stage's fingerprint; `upstream` has a manifest for each stage it needs."""
    whole = config.model_dump(mode="json")
    return {
        "stage": stage.name,
        "version": stage.version,
        "config": {dotted: value_in(whole, dotted) for dotted in stage.reads}
        | {name: fact(config) for name, fact in stage.facts.items()}
        | {name: value for name, option in stage.options.items() if (value := option(config)) is not None},
        "upstream": upstream_digests(stage, upstream),
        "inputs": inputs_digests(stage, config, digests),
    }


def shared_key(stage: Stage, config: Config, key: Key) -> Key:
    """The parts of a stage's `key` on which its shared files depend, and the keys that only these name."""
    assert stage.shared is not None
    whole = config.model_dump(mode="json")
    bases = {item.name for item in stage.inputs(config) if isinstance(item, ModelInput)}
    upstream = {name: key["upstream"][name] for name in stage.shared.upstream}
    return {
        "stage": stage.name,
        "version": stage.version,
        "config": {dotted: value_in(whole, dotted) for dotted in stage.shared.reads},
        "inputs": {"base" if name in bases else name: found for name, found in key["inputs"].items()},
        **({"upstream": upstream} if upstream else {}),
    }


def upstream_digests(stage: Stage, upstream: dict[str, Manifest]) -> dict[str, str]:
    """Digest of the files that a stage reads from each stage that it needs."""
    return {name: upstream[name].content_digest(prefixes) for name, prefixes in stage.needs.items()}


def inputs_digests(stage: Stage, config: Config, digests: DigestCache) -> dict[str, str]:
    """Digest of each of a stage's inputs outside the store.

    Raises:
        InputError: an input is missing, unreadable, or a Git LFS pointer.
        ServerError: the server that has it does not answer.
    """
    return {item.name: input_digest(item, digests) for item in stage.inputs(config)}


def fingerprint(key: Key) -> str:
    """sha256 of the canonical JSON of a key."""
    return digest(key)


def changed_parts(old: Key, new: Key, prefix: str = "") -> list[str]:
    """The differences between two keys, each as 'part: old -> new' with shortened digests."""
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


def value_in(whole: dict[str, Any], dotted: str) -> Any:
    value: Any = whole
    for part in dotted.split("."):
        value = value[part] if value is not None else None
    return value


def input_digest(item: ExternalInput, digests: DigestCache) -> str:
    """Digest of the bytes of a model folder, file or data folder, or of a Hub data set's name; a server's own digest.

    Raises:
        InputError: the input is missing, unreadable, or a Git LFS pointer.
        ServerError: the server that has it does not answer.
    """
    if isinstance(item, ServedInput):
        return find_served(item.model, item.address).digest
    if isinstance(item, ModelInput):
        return _model_digest(item, digests)
    if isinstance(item, FileInput):
        return _single_digest(item, digests)
    return _data_digest(item, digests)


def _single_digest(item: FileInput, digests: DigestCache) -> str:
    if not item.path.is_file():
        raise InputError(
            "There is no such file.",
            where=f"{item.name} = {item.path}",
            remedy=_how_to_get(item.path, "correct the path in the configuration"),
        )
    return _file_digest(item.path, digests)


def check_model_folder(item: ModelInput) -> None:
    """Check that a model folder exists and has a config.json.

    Raises:
        InputError: it is missing, or has no config.json.
    """
    if not item.path.is_dir():
        raise InputError(
            f"The folder for {item.name} does not exist.",
            where=f"{item.name}.base_model = {item.path}",
            remedy=_how_to_get(item.path, "download the checkpoint first, or correct the path"),
        )
    if not (item.path / "config.json").is_file():
        raise InputError(
            f"The folder for {item.name} has no config.json, so it is not a Hugging Face checkpoint.",
            where=f"{item.name}.base_model = {item.path}",
            remedy="name the folder with config.json and the safetensors files",
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
    """The remedy for a missing input; a command makes the demo's inputs."""
    if is_elsewhere(str(path)):
        return explained(str(path))
    if in_container():
        return f"put it in the folder that SO8T_INPUTS names, here {os.environ.get(VARIABLE)}, or correct the path"
    made = path.parts[:1] == (_DEMO_INPUTS,)
    return "run 'make inputs' to make the demo's model and data set" if made else otherwise


def _card_digest(folder: Path, digests: DigestCache) -> str | None:
    card = folder / CARD
    if not card.is_file():
        return None
    terms = terms_beside(folder)
    own = _file_digest(card, digests)
    return digest([own, _file_digest(terms, digests)]) if terms and terms.is_file() else own


def looks_like_hub_name(path: str) -> bool:
    """Whether a path that is no file or folder may be a Hub data set, OWNER/NAME."""
    return (
        path.count("/") == 1
        and not is_elsewhere(path)
        and not path.startswith((".", "/", "~"))
        and not Path(path).suffix
    )


def _file_digest(path: Path, digests: DigestCache) -> str:
    if not os.access(path, os.R_OK):
        raise InputError("The file cannot be read.", where=str(path), remedy="give this user permission to read it")
    refuse_pointer(path)
    return digests.sha256(path)
