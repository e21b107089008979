"""The format of a segment: blocks of small JSON objects, one after the other, each with a digest.

A block is its head (mark with the format's version, number of entries, size of the body, first half of the body's
sha256) and its body (the keys, 32 bytes each, then the entries as one zlib-compressed JSON list). Keys can be looked
through without unpacking anything, and blocks can be moved between segments as they are.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from so8t_shared.canonical import canonical_json

_MARK = b"S8B1"
_HEAD = struct.Struct(">4sHI16s")
_KEY_BYTES = 32

Entry = tuple[bytes, dict[str, Any]]


def key_bytes(key: str) -> bytes:
    """The 32 bytes of a key, which is a sha256 in hex.

    Raises:
        ValueError: it is something else.
    """
    found = bytes.fromhex(key)
    if len(found) != _KEY_BYTES:
        raise ValueError(f"a key must be a sha256 in hex, not {key!r}")
    return found


def pack(entries: Sequence[Entry]) -> bytes:
    """One block, of at most 65,535 entries."""
    keys = b"".join(key for key, _ in entries)
    body = keys + zlib.compress(canonical_json([entry for _, entry in entries]))
    return _HEAD.pack(_MARK, len(entries), len(body), _checksum(body)) + body


def split(segment: bytes) -> Iterator[bytes]:
    """The whole blocks of a segment; a damaged one is left out, and all from the first torn or newer head on."""
    position = 0
    while position + _HEAD.size <= len(segment):
        mark, _, size, checksum = _HEAD.unpack_from(segment, position)
        end = position + _HEAD.size + size
        if mark != _MARK or end > len(segment):
            return
        if _checksum(segment[position + _HEAD.size : end]) == checksum:
            yield segment[position:end]
        position = end


def keys_of(block: bytes) -> list[bytes]:
    """The keys of a whole block, in order."""
    begin = _HEAD.size
    return [block[i : i + _KEY_BYTES] for i in range(begin, begin + _KEY_BYTES * count_of(block), _KEY_BYTES)]


def unpack(block: bytes) -> list[Entry]:
    """The entries of a whole block; none if they are not what this program writes."""
    keys = keys_of(block)
    try:
        entries = json.loads(zlib.decompress(block[_HEAD.size + _KEY_BYTES * len(keys) :]))
    except (ValueError, zlib.error, RecursionError):
        return []
    whole = isinstance(entries, list) and len(entries) == len(keys) and all(isinstance(e, dict) for e in entries)
    return list(zip(keys, entries, strict=True)) if whole else []


def count_of(block: bytes) -> int:
    """The number of entries in a whole block."""
    count: int = _HEAD.unpack_from(block)[1]
    return count


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:16]
