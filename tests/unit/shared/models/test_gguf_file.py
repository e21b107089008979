"""The front of a GGUF file, whole and hostile."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.messages import Said

from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.models.gguf_file import read_header

HUGE = (1 << 64) - 1
PAIR = struct.pack("<Q1sI?", 1, b"k", 7, True)


def _written(path: Path, alignment: int = 32) -> gguf.GGUFReader:
    """A file with every type of value and some types of tensors, by the reference implementation."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(alignment)
    for name, value in {"uint8": 1, "int8": -1, "uint16": 2, "int16": -2, "uint32": 3, "int32": -3}.items():
        getattr(writer, f"add_{name}")(f"x.{name}", value)
    for name, value in {"uint64": 1 << 63, "int64": -(1 << 62), "float32": 0.5, "float64": 0.1, "bool": True}.items():
        getattr(writer, f"add_{name}")(f"x.{name}", value)
    writer.add_string("x.text", "日本語\n")
    writer.add_array("x.texts", [f"<{i}>" for i in range(1000)])
    writer.add_array("x.numbers", list(range(1000)))
    writer.add_array("x.few", [1.5, 2.5])
    writer.add_file_type(int(gguf.LlamaFileType.MOSTLY_Q4_K_M))
    writer.add_tensor("a.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    blocks = np.arange(2 * 288, dtype=np.uint32).astype(np.uint8).reshape(2, 288)
    writer.add_tensor("b.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.Q4_K)
    writer.add_tensor("c.weight", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return gguf.GGUFReader(path)


@pytest.mark.parametrize("alignment", [32, 256])
def test_against_the_reference(tmp_path: Path, alignment: int) -> None:
    """Every value, and type, shape, place and size of every tensor, as gguf's own reader has them."""
    path = tmp_path / "m.gguf"
    theirs, ours = _written(path, alignment), read_header(path)
    fields = {key: field for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert list(ours.metadata) == list(fields)
    for key, value in ours.metadata.items():
        contents: Any = fields[key].contents()
        assert value.value == (contents if value.count is None else contents[:8]), key
        assert value.type == fields[key].types[-1].name.lower()
        assert value.count == (len(contents) if isinstance(contents, list) else None)
    assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        mine = ours.tensors[tensor.name]
        assert (mine.type.name, list(mine.shape)) == (tensor.tensor_type.name, tensor.shape.tolist())
        assert (mine.start, mine.size_bytes) == (tensor.data_offset, tensor.n_bytes)
    assert (ours.file_type, ours.parameters, ours.version) == ("Q4_K_M", 12 + 1024 + 5, 3)
    assert ours.text("x.text") == "日本語\n"
    assert ours.text("x.uint8") is ours.text("x.texts") is ours.text("none") is None


def test_the_place_of_a_value(tmp_path: Path) -> None:
    """The bytes at the place of an array are its own, skipped elements included."""
    _written(tmp_path / "m.gguf")
    value = read_header(tmp_path / "m.gguf").metadata["x.numbers"]
    data = (tmp_path / "m.gguf").read_bytes()[value.start : value.start + value.size_bytes]
    assert data == struct.pack("<IQ1000i", 5, 1000, *range(1000))


def test_every_truncation(tmp_path: Path) -> None:
    """Cut anywhere, a file is damaged or no GGUF file: never read, never another error."""
    _written(tmp_path / "whole.gguf")
    data, cut = (tmp_path / "whole.gguf").read_bytes(), tmp_path / "cut.gguf"
    last = max(tensor.start + tensor.size_bytes for tensor in read_header(tmp_path / "whole.gguf").tensors.values())
    for size in [*range(400), *range(400, last, 97), last - 1]:
        cut.write_bytes(data[:size])
        with pytest.raises(InputError if size < 8 else IntegrityError):
            read_header(cut)


def test_any_changed_byte(tmp_path: Path) -> None:
    """A header with a wrong byte is read or refused; it raises nothing else."""
    _written(tmp_path / "whole.gguf")
    data, changed = bytearray((tmp_path / "whole.gguf").read_bytes()), tmp_path / "changed.gguf"
    refused = 0
    for place in [*range(700), *range(700, len(data), 41)]:
        before, data[place] = data[place], data[place] ^ 0xFF
        changed.write_bytes(data)
        data[place] = before
        try:
            read_header(changed)
        except (InputError, IntegrityError):
            refused += 1
    assert refused > 300


def _file(*parts: bytes, tensors: int = 0, keys: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + b"".join(parts)


def _key(kind: int, value: bytes) -> bytes:
    return struct.pack("<Q1sI", 1, b"k", kind) + value


def _tensor(shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    return struct.pack(f"<Q1sI{len(shape)}QIQ", 1, b"t", len(shape), *shape, kind, offset)


HOSTILE = {
    "keys": _file(keys=HUGE),
    "tensors": _file(tensors=HUGE),
    "name": _file(struct.pack("<Q", HUGE), b" " * 99, keys=1),
    "text": _file(_key(8, struct.pack("<Q", 1 << 40)), keys=1),
    "elements": _file(_key(9, struct.pack("<IQ", 10, HUGE)), keys=1),
    "texts": _file(_key(9, struct.pack("<IQ", 8, 1 << 60)), keys=1),
    "text in an array": _file(_key(9, struct.pack("<IQQ", 8, 1, HUGE)), keys=1),
    "array of arrays": _file(_key(9, struct.pack("<IQ", 9, 1)), b" " * 99, keys=1),
    "type of a value": _file(_key(99, b""), keys=1),
    "not UTF-8": _file(_key(8, struct.pack("<Q2s", 2, b"\xff\xfe")), keys=1),
    "key twice": _file(PAIR, PAIR, keys=2),
    "dimensions": _file(struct.pack("<Q1sI", 1, b"t", 1 << 31), b" " * 99, tensors=1),
    "no dimension": _file(_tensor([]), b" " * 99, tensors=1),
    "shape": _file(_tensor([1 << 63, 1 << 63]), tensors=1),
    "offset": _file(_tensor([4], offset=HUGE), b" " * 99, tensors=1),
    "row of a block": _file(_tensor([255], kind=12), b" " * 999, tensors=1),
    "tensor twice": _file(_tensor([1]), _tensor([1]), b" " * 99, tensors=2),
    "alignment": _file(struct.pack("<Q17sII", 17, b"general.alignment", 4, 3), keys=1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers(tmp_path: Path, name: str, said: Said) -> None:
    """Counts and sizes that do not fit are damage, and cost no memory."""
    path = tmp_path / "m.gguf"
    path.write_bytes(HOSTILE[name])
    tracemalloc.start()
    with said.raised(IntegrityError, where=str(path)):
        read_header(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_texts_that_fill_a_large_file(tmp_path: Path, said: Said) -> None:
    """They fit, but no model has so many: the file takes no space on the disk, and would take gigabytes of memory."""
    path = tmp_path / "m.gguf"
    keys = [struct.pack("<Q2sIQ", 2, f"{i:02}".encode(), 8, 1 << 24) for i in range(64)]
    with path.open("wb") as file:
        file.write(_file(keys=len(keys)))
        for key in keys:
            file.write(key)
            file.seek(1 << 24, 1)
        file.truncate()
    with said.raised(IntegrityError):
        read_header(path)


OTHERS = {
    "empty": b"",
    "another": b"PK\x03\x04" + b" " * 99,
    "version 1": b"GGUF" + struct.pack("<III", 1, 0, 0),
    "newer": b"GGUF" + struct.pack("<IQQ", 4, 0, 0),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "unknown type": _file(_tensor([1], kind=999), b" " * 99, tensors=1),
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_that_are_not_for_us(tmp_path: Path, name: str, said: Said) -> None:
    """They are not damaged, but another kind of file."""
    path = tmp_path / "m.gguf"
    path.write_bytes(OTHERS[name])
    with said.raised(InputError, where=str(path)):
        read_header(path)


@pytest.mark.parametrize("name", ["none.gguf", "."])
def test_no_file(tmp_path: Path, name: str, said: Said) -> None:
    """Missing, or a folder."""
    with said.raised(InputError, where=str(tmp_path / name)):
        read_header(tmp_path / name)
