"""How to chat with a GGUF file, from its own metadata, by the rules for a checkpoint's folder.

GGUF has one end of text, of turn and of message each; further ones of a generation_config.json are not in it.
"""

from __future__ import annotations

import struct
from typing import Any

from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.models.chat import TURN_ENDS, Chat, made_chat
from so8t_shared.models.gguf_file import GgufHeader, Value

_TOKENS, _TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_STOPS = tuple(f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom"))
_CONTROL = 3
"""LLAMA_TOKEN_TYPE_CONTROL in llama.h."""
_HEAD_BYTES = 12
"""Type and number of an array's elements."""
_MOST_BYTES = 1 << 28
"""Of a vocabulary."""


def chat_of(header: GgufHeader) -> Chat:
    """Return how to chat with the model.

    Raises:
        InputError: the file has no tokenizer, its chat template cannot be rendered, or no token ends an answer.
        IntegrityError: its tokenizer is damaged.
    """
    tokens = _texts(header)
    types = _integers(header, len(tokens))
    control = sorted({text for text, kind in zip(tokens, types, strict=True) if kind == _CONTROL and text})
    stops = [_token(header, key, tokens) for key in _STOPS]
    known = set(tokens)
    stops += [text for text in TURN_ENDS if text in known]
    return made_chat(
        header.text("tokenizer.chat_template"),
        _token(header, "tokenizer.ggml.bos_token_id", tokens),
        list(dict.fromkeys(text for text in stops if text)),
        control,
        header.path,
    )


def _token(header: GgufHeader, key: str, tokens: list[str]) -> str:
    """Return the text of the token that a key names by its number; '' if there is none."""
    found = header.metadata.get(key)
    number = found.value if found and found.count is None else None
    return tokens[number] if isinstance(number, int) and 0 <= number < len(tokens) else ""


def _texts(header: GgufHeader) -> list[str]:
    data = _array(header, _TOKENS, "string")
    texts: list[str] = []
    place = _HEAD_BYTES
    for number in range(header.metadata[_TOKENS].count or 0):
        end = place + 8
        end += int.from_bytes(data[place:end], "little")
        try:
            texts.append(data[place + 8 : end].decode("utf-8"))
        except UnicodeDecodeError as error:
            raise _damaged(header, f"token {number:,} is not UTF-8") from error
        place = end
    return texts


def _integers(header: GgufHeader, count: int) -> tuple[Any, ...]:
    """Return the type of each token."""
    data = _array(header, _TYPES, "int32")
    if header.metadata[_TYPES].count != count:
        raise _damaged(header, f"it has {count:,} tokens, but {header.metadata[_TYPES].count:,} types of tokens")
    return struct.unpack(f"<{count}i", data[_HEAD_BYTES:])


def _array(header: GgufHeader, key: str, kind: str) -> bytes:
    found: Value | None = header.metadata.get(key)
    if found is None or found.count is None or found.type != kind:
        raise InputError(
            f"This GGUF file is no language model: it has no {key}.",
            where=str(header.path),
            remedy="name the file with the whole model, not an adapter, a vision part or a part of a split file",
        )
    if found.size_bytes > _MOST_BYTES:
        raise _damaged(header, f"{key} has {found.size_bytes:,} bytes")
    with header.path.open("rb") as file:
        file.seek(found.start)
        return file.read(found.size_bytes)


def _damaged(header: GgufHeader, what: str) -> IntegrityError:
    return IntegrityError(
        f"This GGUF file is damaged: {what}.", where=str(header.path), remedy="download or convert it again"
    )
