"""How to chat with a GGUF file that was made elsewhere, from its own metadata. Source: ggml's docs/gguf.md."""

from __future__ import annotations

from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.models.chat import TURN_ENDS, end_of_turn
from so8t_shared.models.gguf_file import GgufHeader, read_elements
from so8t_shared.results.conversion import ChatInfo

_CONTROL = 3
"""Type of a control token in tokenizer.ggml.token_type."""


def chat_of_gguf(header: GgufHeader) -> ChatInfo:
    """Return how to chat with the model in a GGUF file.

    Raises:
        InputError: it has no chat template, no token that ends an answer, or does not say its context's length.
        IntegrityError: its vocabulary is damaged.
    """
    architecture, template = header.text("general.architecture"), header.text("tokenizer.chat_template")
    length, layers = (_number(header, f"{architecture}.{name}") for name in ("context_length", "block_count"))
    tokens = read_elements(header, "tokenizer.ggml.tokens")
    types = read_elements(header, "tokenizer.ggml.token_type")
    bos, eos, eot = (_token(header, tokens, name) for name in ("bos", "eos", "eot"))
    faults = {
        "general.architecture": architecture is None,
        "tokenizer.chat_template": template is None,
        "tokenizer.ggml.eos_token_id": not eos,
        f"{architecture}.context_length": not length,
    }
    if missing := [key for key, is_missing in faults.items() if is_missing]:
        raise InputError(
            f"This GGUF file cannot be tested: it lacks {', '.join(missing)}.",
            where=str(header.path),
            remedy="convert its checkpoint again with the tokenizer's files",
        )
    markers = sorted({text for text, kind in zip(tokens, types, strict=False) if kind == _CONTROL and text})
    known = set(tokens)
    _, end = end_of_turn(template or "", bos, eos, markers)
    stops = [eos, eot, *(text for text in TURN_ENDS if text in known), end]
    return ChatInfo(
        architecture=architecture or "",
        chat_template=template,
        bos_token=bos,
        eos_token=eos,
        stop_tokens=list(dict.fromkeys(text for text in stops if text)),
        markers=markers,
        context_length=length,
        parameters=header.parameters,
        layers=layers,
        so8t={},
    )


def _number(header: GgufHeader, key: str) -> int:
    found = header.metadata.get(key)
    return int(found.value) if found and found.count is None and isinstance(found.value, int) else 0


def _token(header: GgufHeader, tokens: list[Any], name: str) -> str:
    """Text of a special token; empty if the file does not name it."""
    key = f"tokenizer.ggml.{name}_token_id"
    index = _number(header, key)
    return str(tokens[index]) if key in header.metadata and 0 <= index < len(tokens) else ""
