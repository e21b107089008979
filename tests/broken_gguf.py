"""GGUF files that were changed after conversion; all places and sizes in them stay."""

from __future__ import annotations

from pathlib import Path

import gguf


def with_other_merges(source: Path, target: Path) -> Path:
    """A copy whose tokenizer merges other pieces, so that it cuts texts into other tokens."""
    data = bytearray(source.read_bytes())
    merges = gguf.GGUFReader(source).fields["tokenizer.ggml.merges"]
    for merge in (bytes(merges.parts[number]) for number in merges.data):
        if merge.isascii():
            place = data.index(len(merge).to_bytes(8, "little") + merge) + 8
            data[place : place + len(merge)] = merge[::-1]
    target.write_bytes(bytes(data))
    return target


def other_architecture(path: Path) -> None:
    """Name an architecture that no program knows."""
    data = path.read_bytes()
    known = (5).to_bytes(8, "little") + b"llama"
    path.write_bytes(data.replace(known, known[:-1] + b"x", 1))
