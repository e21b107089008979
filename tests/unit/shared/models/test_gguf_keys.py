"""Copies of GGUF files with more texts, as the reference implementation reads them."""

from __future__ import annotations

import hashlib
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import gguf
import pytest
from tests.tiny_gguf import write_gguf

from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.gguf_keys import copy_with_texts, sha256_without

TEXTS = {"so8t.session": "20260101_000000", "so8t.other": "日本語"}


def _copy(source: Path, target: Path, texts: dict[str, str]) -> str:
    target.touch()
    return copy_with_texts(source, target, texts, lambda done: None)


def _contents(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Values and weights, by the reference implementation."""
    found = gguf.GGUFReader(path)
    fields = {key: field.contents() for key, field in found.fields.items() if not key.startswith("GGUF.")}
    return fields, {tensor.name: tensor.data.tobytes() for tensor in found.tensors}


@pytest.mark.parametrize("alignment", [32, 256])
@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 1000])
def test_all_else_stays(tmp_path: Path, alignment: int, length: int) -> None:
    """The texts are there beside all other values; the tensors are aligned and have their bytes."""
    source = write_gguf(tmp_path / "a.gguf", {"x.a": "1"}, alignment=alignment)
    texts = {"so8t.session": "s" * length}
    assert _copy(source, tmp_path / "b.gguf", texts) == hashlib.sha256(source.read_bytes()).hexdigest()
    fields, tensors = _contents(source)
    assert _contents(tmp_path / "b.gguf") == (fields | texts, tensors)
    assert {tensor.start % alignment for tensor in read_header(tmp_path / "b.gguf").tensors.values()} == {0}


def test_the_way_back(tmp_path: Path) -> None:
    """Without its texts, a copy has the source's digest; with other weights it has not."""
    source, target = write_gguf(tmp_path / "a.gguf"), tmp_path / "b.gguf"
    before = _copy(source, target, TEXTS)
    assert sha256_without(target, TEXTS) == before
    assert sha256_without(source, TEXTS) == before
    assert sha256_without(target, ["so8t.session"]) != before
    data = bytearray(target.read_bytes())
    data[read_header(target).tensors["a.weight"].start] ^= 1
    target.write_bytes(data)
    assert sha256_without(target, TEXTS) != before


def test_a_key_that_is_there(tmp_path: Path) -> None:
    """A key is never there twice, which llama.cpp would refuse."""
    source = write_gguf(tmp_path / "a.gguf", TEXTS)
    with pytest.raises(ValueError, match=r"so8t\.session"):
        _copy(source, tmp_path / "b.gguf", TEXTS)


def test_a_vocabulary_without_weights(tmp_path: Path) -> None:
    """A file that ends with its header stays one."""
    source, target = tmp_path / "a.gguf", tmp_path / "b.gguf"
    source.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sI?", 1, b"k", 7, True))
    before = _copy(source, target, TEXTS)
    assert _contents(target)[0] == {"k": True, **TEXTS}
    assert sha256_without(target, TEXTS) == before


@pytest.mark.parametrize(("size", "error"), [(0, InputError), (4, InputError), (100, IntegrityError)])
def test_damage(tmp_path: Path, size: int, error: type[Exception]) -> None:
    """A cut file is refused."""
    source = write_gguf(tmp_path / "a.gguf")
    source.write_bytes(source.read_bytes()[:size])
    with pytest.raises(error):
        _copy(source, tmp_path / "b.gguf", TEXTS)


def test_memory(tmp_path: Path) -> None:
    """A file of 60 MB is copied in a fraction of that, and the count goes up to its size."""
    source, target = write_gguf(tmp_path / "a.gguf", rows=3_750_000), tmp_path / "b.gguf"
    target.touch()
    counts: list[int] = []
    tracemalloc.start()
    copy_with_texts(source, target, TEXTS, counts.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 36 << 20
    assert counts == sorted(counts)
    assert counts[-1] == source.stat().st_size > 60_000_000
