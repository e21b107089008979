"""A model folder without executable content: the same files without code and references to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from so8t_shared.models.hf_folder import read_json, weight_files

_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json"),
    "generation_config.json",
)


def clean_folder(source: Path, target: Path) -> Path:
    """Fill the empty folder `target` with the checkpoint in `source`: weights are linked, code is left out.

    Libraries only ever receive a clean folder, so there is no code for them to run or ask about.
    """
    target.mkdir(parents=True, exist_ok=True)
    _copy_json(source / "config.json", target / "config.json")
    copy_tokenizer_files(source, target)
    weights = weight_files(source)
    for path in weights:
        (target / path.name).symlink_to(path.resolve())
    if (index := source / "model.safetensors.index.json").is_file():
        (target / index.name).write_bytes(index.read_bytes())
    return target


def copy_tokenizer_files(source: Path, target: Path) -> None:
    """Copy the tokenizer files and generation settings without references to code."""
    for name in _TOKENIZER_FILES:
        path = source / name
        if not path.is_file():
            continue
        if name.endswith("_config.json"):
            _copy_json(path, target / name)
        else:
            (target / name).write_bytes(path.read_bytes())


def without_code(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without the keys that make transformers look for Python code in the folder."""
    return {key: value for key, value in config.items() if key not in {"auto_map", "trust_remote_code"}}


def _copy_json(source: Path, target: Path) -> None:
    text = json.dumps(without_code(read_json(source)), indent=2, ensure_ascii=False)
    target.write_text(text + "\n", encoding="utf-8")
