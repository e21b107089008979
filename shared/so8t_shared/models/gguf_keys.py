"""Copies of a GGUF file with more texts in its metadata; every other value and all weights keep their bytes.

Offsets of tensors count from the aligned end of the header, so they stay right. Memory does not grow with the file.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from so8t_shared.models.gguf_file import GgufHeader, Value, read_header
from so8t_shared.part_file import OnBytes

_CHUNK = 16 << 20
_COUNT_START, _COUNT_END = 16, 24
"""Place of the number of keys: after the magic, the version and the number of tensors."""
_STRING, _TYPE_BYTES = 8, 4

_Span = tuple[int, bytes | None]
"""End of a part of the source, and what replaces it; None keeps its bytes."""


def copy_with_texts(source: Path, target: Path, texts: Mapping[str, str], on_bytes: OnBytes) -> str:
    """Copy into an existing empty file, flush it to the disk, and return the sha256 of the source's bytes.

    Raises:
        InputError: the source is no GGUF file.
        IntegrityError: the source is damaged.
        ValueError: the source has one of the keys already.
    """
    spans = _spans(read_header(source), texts)
    sha256 = hashlib.sha256()
    with target.open("r+b") as writer:
        for done, data, new in _walk(source, spans):
            sha256.update(data)
            writer.write(new)
            on_bytes(done)
        writer.flush()
        os.fsync(writer.fileno())
    return sha256.hexdigest()


def sha256_without(path: Path, keys: Collection[str]) -> str:
    """The sha256 that the file had before `copy_with_texts` added the keys.

    Raises:
        InputError: this is no GGUF file.
        IntegrityError: it is damaged.
    """
    sha256 = hashlib.sha256()
    for _, _, new in _walk(path, _spans(read_header(path), {}, keys)):
        sha256.update(new)
    return sha256.hexdigest()


def _spans(header: GgufHeader, added: Mapping[str, str], dropped: Collection[str] = ()) -> list[_Span]:
    """Parts of the file in their order, from the first byte to the last."""
    if taken := added.keys() & header.metadata.keys():
        raise ValueError(f"{header.path} has the keys {sorted(taken)} already")
    gone = [_place(key, value) for key, value in header.metadata.items() if key in dropped]
    count = len(header.metadata) + len(added) - len(gone)
    spans: list[_Span] = [(_COUNT_START, None), (_COUNT_END, struct.pack("<Q", count))]
    for start, end in gone:
        spans += [(start, None), (end, b"")]
    new = b"".join(_text(key) + struct.pack("<I", _STRING) + _text(text) for key, text in added.items())
    spans += [(header.metadata_end, None), (header.metadata_end, new), (header.tensors_end, None)]
    moved = len(new) - sum(end - start for start, end in gone)
    weights = header.tensors_end + -header.tensors_end % header.alignment
    if weights < header.size_bytes:
        spans += [(weights, bytes(-(header.tensors_end + moved) % header.alignment))]
    return [*spans, (header.size_bytes, None)]


def _place(key: str, value: Value) -> tuple[int, int]:
    """First byte of a key and its value, and the first one after them."""
    return value.start - _TYPE_BYTES - len(_text(key)), value.start + value.size_bytes


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _walk(source: Path, spans: list[_Span]) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the bytes read so far, the next ones of the source, and what stands for them in the copy."""
    done = 0
    with source.open("rb", buffering=0) as reader:
        for end, new in spans:
            if new is not None:
                yield end, reader.read(end - done), new
                done = end
            while done < end and (data := reader.read(min(_CHUNK, end - done))):
                done += len(data)
                yield done, data, data
