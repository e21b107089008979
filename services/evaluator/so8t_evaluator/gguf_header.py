"""What the evaluator asks a GGUF file's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.models.gguf_file import read_header

_BOS_BY_DEFAULT = {"llama3", "llama-v3", "llama-bpe"}
"""Pre-tokenizers for which llama.cpp adds a BOS token unless the file says otherwise."""


def adds_bos(path: Path) -> bool:
    """Whether llama.cpp prepends the beginning-of-text token by itself.

    Raises:
        IntegrityError: this is not a GGUF file.
    """
    return says_bos(read_facts(path))


def says_bos(facts: Mapping[str, Any]) -> bool:
    """Whether metadata of a file makes llama.cpp prepend the beginning-of-text token."""
    said = facts.get("tokenizer.ggml.add_bos_token")
    if said is not None:
        return bool(said)
    if facts.get("tokenizer.ggml.model") == "llama":
        return True
    return facts.get("tokenizer.ggml.pre") in _BOS_BY_DEFAULT


def read_facts(path: Path) -> dict[str, Any]:
    """Return the numbers and strings of the file's metadata by key, without lists.

    Raises:
        IntegrityError: this is not a GGUF file, or it is damaged.
    """
    try:
        metadata = read_header(path).metadata
    except (InputError, IntegrityError) as error:  # a stage wrote this file, not the user
        raise IntegrityError(error.what, where=error.where, remedy="convert the model again") from error
    return {key: value.value for key, value in metadata.items() if value.count is None}
