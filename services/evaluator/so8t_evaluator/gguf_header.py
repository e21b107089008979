"""Reads metadata from the header of a GGUF file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from so8t_shared.errors import IntegrityError

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_LONGEST_TEXT = 1 << 24
_LONGEST_LIST = 1 << 32
_BOS_BY_DEFAULT = {"llama3", "llama-v3", "llama-bpe"}
"""Pre-tokenizers for which llama.cpp adds a BOS token unless the file says otherwise."""


def adds_bos(path: Path) -> bool:
    """Whether llama.cpp prepends the beginning-of-text token by itself.

    Raises:
        IntegrityError: this is not a GGUF file.
    """
    facts = read_facts(path)
    said = facts.get("tokenizer.ggml.add_bos_token")
    if said is not None:
        return bool(said)
    if facts.get("tokenizer.ggml.model") == "llama":
        return True
    return facts.get("tokenizer.ggml.pre") in _BOS_BY_DEFAULT


def read_facts(path: Path) -> dict[str, Any]:
    """Return the numbers and strings of the file's metadata by key, without lists.

    Raises:
        IntegrityError: this is not a GGUF file.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError("wrong magic")
            _, _, count = struct.unpack("<IQQ", file.read(20))
            pairs = [(_text(file), _value(file)) for _ in range(count)]
    except (ValueError, struct.error, KeyError) as error:
        raise IntegrityError("This is not a GGUF file.", where=str(path), remedy="convert the model again") from error
    return {key: value for key, value in pairs if value is not None}


def _value(file: BinaryIO) -> Any:
    kind = _scalar(file, "<I")
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        return _scalar(file, _SCALARS[kind])
    kind, count = _scalar(file, "<I"), _scalar(file, "<Q")
    if kind == _STRING:
        for _ in range(count):
            _skip(file, _scalar(file, "<Q"))
    else:
        _skip(file, count * struct.calcsize(_SCALARS[kind]))
    return None


def _skip(file: BinaryIO, size: int) -> None:
    if size > _LONGEST_LIST:
        raise ValueError(f"a list of {size} bytes")
    file.seek(size, 1)


def _text(file: BinaryIO) -> str:
    size = _scalar(file, "<Q")
    if size > _LONGEST_TEXT:
        raise ValueError(f"a text of {size} bytes")
    return file.read(size).decode("utf-8")


def _scalar(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]
