"""llama.cpp's name of a pre-tokenizer follows from its definition."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from so8t_converter.tokenizer import pre_tokenizer_name
from so8t_shared.models.hf_folder import JsonFiles, token_ids

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _tokenizer(made: Callable[[str], Path], name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((made(name) / "tokenizer.json").read_text(encoding="utf-8"))
    return loaded


def test_families(made: Callable[[str], Path]) -> None:
    """SmolLM2's and Qwen2's definitions are distinguished whatever the vocabulary; Phi-3 has none."""
    assert pre_tokenizer_name(_tokenizer(made, "llama")) == "smollm"
    assert pre_tokenizer_name(_tokenizer(made, "qwen2")) == "qwen2"
    assert pre_tokenizer_name(_tokenizer(made, "phi3")) is None


def test_plain_byte_level_is_gpt2() -> None:
    """Byte-level splitting alone is GPT-2's."""
    step = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    assert pre_tokenizer_name({"pre_tokenizer": step}) == "gpt-2"
    assert pre_tokenizer_name({"pre_tokenizer": step | {"add_prefix_space": True}}) is None


def test_llama3_needs_ignore_merges() -> None:
    """llama.cpp's llama-bpe takes whole words first, so the tokenizer must do so too."""
    split = {"type": "Split", "pattern": {"Regex": _LLAMA3}, "behavior": "Isolated", "invert": False}
    bytes_only = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    definition = {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_only]}}
    assert pre_tokenizer_name(definition | {"model": {"ignore_merges": True}}) == "llama-bpe"
    assert pre_tokenizer_name(definition) is None


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {"type": "Lowercase"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"pre_tokenizer": None},
        {"model": {"ignore_merges": True}},
    ],
)
def test_unknown_definitions(made: Callable[[str], Path], change: dict[str, Any]) -> None:
    """Anything that llama.cpp would split or normalize otherwise has no name."""
    assert pre_tokenizer_name(_tokenizer(made, "llama") | change) is None


def test_token_ids_are_those_of_transformers(made: Callable[[str], Path]) -> None:
    """All tokens with their ids, added ones included."""
    from transformers import AutoTokenizer

    for name in ("llama", "qwen2", "phi3"):
        assert token_ids(JsonFiles(made(name))) == AutoTokenizer.from_pretrained(made(name)).get_vocab()
