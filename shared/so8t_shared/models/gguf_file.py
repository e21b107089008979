"""Reads the header of a GGUF file: metadata and tensors, no weights. Source: ggml's docs/gguf.md.

A header may be hostile: each count and size is compared with the bytes that are left before anything is read, made or
skipped, so that neither memory nor time depends on what the file claims.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.lfs import refuse_pointer
from so8t_shared.tables import ggml_types

_FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_NAMES = {
    **{0: "uint8", 1: "int8", 2: "uint16", 3: "int16", 4: "uint32", 5: "int32", 6: "float32", 7: "bool"},
    **{8: "string", 9: "array", 10: "uint64", 11: "int64", 12: "float64"},
}
_UINT32, _STRING, _ARRAY = 4, 8, 9
_VERSIONS = (2, 3)
_SHOWN = 8
"""Elements of an array that are read; the others are skipped."""
_LONGEST_TEXT = 1 << 24
_MOST_TEXT = 1 << 26
"""Bytes of all texts that are read, names included."""
_MOST_ELEMENTS = 1 << 24
"""Strings in all arrays; the largest vocabularies have less than a million tokens and merges."""
_MOST_DIMENSIONS = 4
_ALIGNMENT = "general.alignment"
_DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True)
class Value:
    """One value of the metadata."""

    type: str
    """Such as uint32 or string; the type of the elements of an array."""
    value: Any
    """A number, truth value or text; of an array, the first elements."""
    count: int | None
    """Elements of an array; None for any other value."""
    start: int
    """Place of the value's bytes in the file."""
    size_bytes: int


@dataclass(frozen=True)
class Tensor:
    """One tensor."""

    name: str
    shape: tuple[int, ...]
    """As in llama.cpp: the length of a row comes first."""
    type: ggml_types.Row
    start: int
    """Place of its bytes in the file."""

    @property
    def values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return self.values // self.type.values * self.type.size_bytes


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says before its weights."""

    path: Path
    version: int
    size_bytes: int
    """Of the whole file."""
    metadata: dict[str, Value]
    """By key, in the file's order."""
    tensors: dict[str, Tensor]
    """By name, in the file's order."""
    metadata_end: int
    """Place of the first byte after the metadata."""
    tensors_end: int
    """Place of the first byte after the list of tensors; the weights begin at the next multiple of `alignment`."""
    alignment: int

    def text(self, key: str) -> str | None:
        """A text of the metadata; None if there is none, or if it is no text."""
        found = self.metadata.get(key)
        return found.value if found and found.type == "string" and found.count is None else None

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(tensor.values for tensor in self.tensors.values())

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens; 0 without a tokenizer."""
        found = self.metadata.get("tokenizer.ggml.tokens")
        return (found.count or 0) if found else 0

    @property
    def file_type(self) -> str | None:
        """Name of general.file_type; None if the file does not say, or says a number without a name."""
        found = self.metadata.get("general.file_type")
        return ggml_types.FILE_TYPES.get(found.value) if found and isinstance(found.value, int) else None


class _Damaged(Exception):
    """What of the header cannot be; `_Reader.place` says where."""


def read_header(path: Path) -> GgufHeader:
    """Read the header.

    Raises:
        InputError: there is no such file, or it is no GGUF file that this version reads.
        IntegrityError: it is truncated or damaged.
    """
    if not path.is_file():
        raise InputError(
            "There is no such file." if not path.exists() else "This is not a file.",
            where=str(path),
            remedy="name a GGUF file",
        )
    refuse_pointer(path)
    with path.open("rb") as file:
        reader = _Reader(file)
        version = _version(reader, path)
        try:
            return _header(reader, path, version)
        except (_Damaged, UnicodeDecodeError) as error:
            what = "a text is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise IntegrityError(
                f"This GGUF file is truncated or damaged at byte {reader.place:,}: {what}.",
                where=str(path),
                remedy="download or convert it again",
            ) from error


def _version(reader: _Reader, path: Path) -> int:
    remedy = "name a GGUF file"
    if reader.size < 8 or reader.bytes(4) != b"GGUF":
        raise InputError("This is not a GGUF file.", where=str(path), remedy=remedy)
    version = int(reader.number("I"))
    if version in _VERSIONS:
        return version
    swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
    what = "is big-endian" if swapped else f"has version {version}"
    raise InputError(
        f"This GGUF file {what}; only little-endian files of versions 2 and 3 can be read.",
        where=str(path),
        remedy="make the file again with the current llama.cpp",
    )


def _header(reader: _Reader, path: Path, version: int) -> GgufHeader:
    tensors, keys = int(reader.number("Q")), int(reader.number("Q"))
    reader.need(keys, 8 + 4 + 1, "metadata keys")
    metadata: dict[str, Value] = {}
    for _ in range(keys):
        key = reader.text()
        if key in metadata:
            raise _Damaged(f"the key {key[:80]!r} is there twice")
        metadata[key] = reader.value(reader.number("I"))
    metadata_end = reader.place
    reader.need(tensors, 8 + 4 + 8 + 4 + 8, "tensors")
    infos = [reader.tensor() for _ in range(tensors)]
    tensors_end, alignment = reader.place, _alignment(metadata)
    start = _aligned(tensors_end, alignment)
    found: dict[str, Tensor] = {}
    for name, shape, kind, offset in infos:
        if name in found:
            raise _Damaged(f"the tensor {name[:80]!r} is there twice")
        if kind not in ggml_types.BY_NUMBER:
            raise InputError(
                f"The tensor {name[:80]} has a type that this version does not know: {kind}.",
                where=str(path),
                remedy="update SO8T-AB, or make the file again with a current llama.cpp",
            )
        found[name] = _placed(reader, Tensor(name, shape, ggml_types.BY_NUMBER[kind], start + offset))
    return GgufHeader(path, version, reader.size, metadata, found, metadata_end, tensors_end, alignment)


def _placed(reader: _Reader, tensor: Tensor) -> Tensor:
    if not tensor.shape or tensor.shape[0] % tensor.type.values:
        raise _Damaged(f"the shape of tensor {tensor.name[:80]!r} does not fit its type {tensor.type.name}")
    if tensor.start + tensor.size_bytes > reader.size:
        raise _Damaged(f"tensor {tensor.name[:80]!r} ends at byte {tensor.start + tensor.size_bytes:,}")
    return tensor


def _alignment(metadata: dict[str, Value]) -> int:
    given = metadata.get(_ALIGNMENT)
    if given is None:
        return _DEFAULT_ALIGNMENT
    number = given.value
    if given.type != _NAMES[_UINT32] or given.count is not None or not number or number & (number - 1):
        raise _Damaged(f"{_ALIGNMENT} is {number!r}, not a power of two")
    return int(number)


def _aligned(place: int, alignment: int) -> int:
    return -(-place // alignment) * alignment


class _Reader:
    """Reads values one after another, never beyond the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.place = 0
        self._elements = self._text = 0

    def need(self, count: int, each: int, what: str) -> None:
        """Check that `count` things of at least `each` bytes fit into the rest of the file."""
        if count * each > self.size - self.place:
            raise _Damaged(f"{count:,} {what} do not fit into its {self.size:,} bytes")

    def bytes(self, size: int) -> bytes:
        self.need(size, 1, "bytes")
        data = self._file.read(size)
        if len(data) < size:  # it was shortened meanwhile
            raise _Damaged("it ends early")
        self.place += size
        return data

    def number(self, form: str) -> Any:
        return struct.unpack(f"<{form}", self.bytes(struct.calcsize(f"<{form}")))[0]

    def text(self) -> str:
        size = self.number("Q")
        self._text += size
        if size > _LONGEST_TEXT or self._text > _MOST_TEXT:
            raise _Damaged(f"a text of {size:,} bytes, {self._text:,} with those before it")
        return self.bytes(size).decode("utf-8")

    def value(self, kind: int) -> Value:
        if kind not in _NAMES:
            raise _Damaged(f"{kind} is no type of a value")
        start = self.place
        if kind != _ARRAY:
            value = self._single(kind)
            return Value(_NAMES[kind], value, None, start, self.place - start)
        inner, count = self.number("I"), self.number("Q")
        if inner not in _NAMES or inner == _ARRAY:
            raise _Damaged(f"{inner} is no type of an array's elements")
        self.need(count, 8 if inner == _STRING else struct.calcsize(f"<{_FORMS[inner]}"), "elements")
        first = [self._single(inner) for _ in range(min(count, _SHOWN))]
        self._skip(inner, count - len(first))
        return Value(_NAMES[inner], first, count, start, self.place - start)

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, number of the type, and offset in the data."""
        name, dimensions = self.text(), self.number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise _Damaged(f"tensor {name[:80]!r} has {dimensions:,} dimensions")
        shape = tuple(self.number("Q") for _ in range(dimensions))
        return name, shape, self.number("I"), self.number("Q")

    def _single(self, kind: int) -> Any:
        return self.text() if kind == _STRING else self.number(_FORMS[kind])

    def _skip(self, kind: int, count: int) -> None:
        if kind != _STRING:
            self._pass(count * struct.calcsize(f"<{_FORMS[kind]}"))
            return
        self._elements += count
        if self._elements > _MOST_ELEMENTS:
            raise _Damaged(f"{self._elements:,} texts in arrays")
        for _ in range(count):
            self._pass(self.number("Q"))

    def _pass(self, size: int) -> None:
        self.need(size, 1, "bytes")
        self._file.seek(size, os.SEEK_CUR)
        self.place += size
