"""The tokenizer files: checks that they are complete, and finds llama.cpp's name for their pre-tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.lfs import refuse_pointer
from so8t_shared.models.hf_folder import JsonFiles, token_ids

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

_PRE_TOKENIZERS: dict[tuple[tuple[str, Any], ...], str] = {
    (("ByteLevel", True),): "gpt-2",
    (("Digits", True), ("ByteLevel", True)): "smollm",
    (("Split", _CONTRACTIONS + r"\p{N}" + _REST), ("ByteLevel", False)): "qwen2",
    (("Split", _CONTRACTIONS + r"\p{N}{1,3}" + _REST), ("ByteLevel", False)): "llama-bpe",
}
"""Maps the steps of a byte-level BPE's pre-tokenizer to llama.cpp's name for the same splitting."""


def check_tokenizer(folder: Path, vocabulary: int) -> None:
    """Reject a tokenizer that cannot be converted, before any weight is read.

    Raises:
        InputError: a file is missing or broken, or a token's ID is outside the embedding.
    """
    sentencepiece, fast = folder / "tokenizer.model", folder / "tokenizer.json"
    for path in (sentencepiece, fast):
        if path.is_file():
            refuse_pointer(path)
    if not sentencepiece.is_file() and not fast.is_file():
        raise InputError(
            "The model folder has no tokenizer (tokenizer.json or tokenizer.model).",
            where=str(folder),
            remedy="copy the tokenizer files from the original model",
        )
    files = JsonFiles(folder)
    if not sentencepiece.is_file() and _is_sentencepiece(files):
        raise InputError(
            "This is a sentencepiece tokenizer, but tokenizer.model is missing.",
            where=str(sentencepiece),
            remedy="copy tokenizer.model from the original model; tokenizer.json lacks its scores",
        )
    outside = {text: index for text, index in token_ids(files).items() if index >= vocabulary}
    if outside:
        text, index = max(outside.items(), key=lambda item: item[1])
        raise InputError(
            f"{len(outside)} tokens have ids outside the embedding: {text!r} is {index},"
            f" but vocab_size is {vocabulary}.",
            where=str(folder),
            remedy="call resize_token_embeddings for the added tokens before saving the model",
        )


def pre_tokenizer_name(tokenizer: dict[str, Any]) -> str | None:
    """Return llama.cpp's name for the pre-tokenizer defined in a tokenizer.json, or None.

    llama.cpp's converter recognizes a pre-tokenizer by a digest of the token IDs of one text, which
    fails for any vocabulary that it does not know. Here the definition itself decides.
    """
    if not _keeps_text(tokenizer.get("normalizer")):
        return None
    name = _PRE_TOKENIZERS.get(tuple(_steps(tokenizer.get("pre_tokenizer"))))
    whole_words = bool((tokenizer.get("model") or {}).get("ignore_merges", False))
    return name if whole_words == (name == "llama-bpe") else None


def _is_sentencepiece(files: JsonFiles) -> bool:
    model = files["tokenizer.json"].get("model") or {}
    return bool(model.get("byte_fallback")) or model.get("type") == "Unigram"


def _keeps_text(normalizer: dict[str, Any] | None) -> bool:
    if normalizer is None:
        return True
    if normalizer["type"] == "Sequence":
        return all(_keeps_text(step) for step in normalizer["normalizers"])
    return bool(normalizer["type"] == "NFC")


def _steps(definition: dict[str, Any] | None) -> list[tuple[str, Any]]:
    """Return the steps of a pre-tokenizer with their deciding settings; unknown steps are marked as such."""
    if definition is None:
        return []
    kind = definition["type"]
    if kind == "Sequence":
        return [step for part in definition["pretokenizers"] for step in _steps(part)]
    if kind == "ByteLevel" and not definition.get("add_prefix_space", True):
        return [(kind, definition.get("use_regex", True))]
    if kind == "Digits":
        return [(kind, definition["individual_digits"])]
    if kind == "Split" and definition["behavior"] == "Isolated" and not definition["invert"]:
        return [(kind, definition["pattern"].get("Regex"))]
    return [(f"unknown {kind}", None)]
