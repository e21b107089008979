"""Differences of two GGUF files, against files that are known to differ in one thing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.unit.converter.conftest import Converted

from so8t_converter.gguf_diff import diff
from so8t_shared.errors import IntegrityError
from so8t_shared.models.gguf_file import read_header


def _write(path: Path, keys: dict[str, Any], tensors: dict[str, Any], **types: Any) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in keys.items():
        (writer.add_array if isinstance(value, list) else writer.add_string)(key, value)
    for name, data in tensors.items():
        writer.add_tensor(name, data, raw_dtype=types.get(name))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _weights(seed: int = 0, rows: int = 8) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, 256)).astype(np.float32)


@pytest.mark.parametrize("quantization", ["f16", "q8_0", "q4_k_m"])
def test_a_file_equals_its_copy(converted: Callable[[str], Converted], tmp_path: Path, quantization: str) -> None:
    """All keys and tensors are counted as equal."""
    path = converted("phi3").gguf(quantization)
    found = diff(path, shutil.copy(path, tmp_path / "copy.gguf"))
    header = read_header(path)
    assert (found.equal, found.keys, found.tensors) == (True, [], [])
    assert (found.keys_equal, found.tensors_equal) == (len(header.metadata), len(header.tensors))


def test_order_does_not_count(tmp_path: Path) -> None:
    """Keys and tensors in another order are the same."""
    keys, tensors = {"x.a": "1", "x.b": "2"}, {"a": _weights(1), "b": _weights(2)}
    a = _write(tmp_path / "a.gguf", keys, tensors)
    b = _write(tmp_path / "b.gguf", dict(reversed(keys.items())), dict(reversed(tensors.items())))
    assert a.read_bytes() != b.read_bytes()
    assert diff(a, b).equal


def test_keys(tmp_path: Path) -> None:
    """Missing ones, other values, other types, and an array whose difference is far behind."""
    far = [str(i) for i in range(100)]
    a = _write(tmp_path / "a.gguf", {"x.same": "s", "x.a": "1", "x.value": "1", "x.type": "1", "x.far": far}, {})
    changed = [*far[:-1], "100"]
    b = _write(tmp_path / "b.gguf", {"x.same": "s", "x.value": "2", "x.type": [1], "x.far": changed, "x.b": "2"}, {})
    found = diff(a, b)
    there = {key.key: (key.a and key.a.value, key.b and key.b.value) for key in found.keys}
    assert there == {
        "x.a": ("1", None),
        "x.value": ("1", "2"),
        "x.type": ("1", [1]),
        "x.far": (far[:8], far[:8]),
        "x.b": (None, "2"),
    }
    assert not found.equal
    assert found.keys_equal == 2  # general.architecture, x.same


def test_a_changed_block(tmp_path: Path) -> None:
    """One flipped bit in a quantized tensor is one block, and the distance of the weights that it makes."""
    quantized = gguf.quants.quantize(_weights(), gguf.GGMLQuantizationType.Q8_0)
    changed = quantized.copy()
    changed[3, 34 * 2 + 5] ^= 1
    kind = gguf.GGMLQuantizationType.Q8_0
    a = _write(tmp_path / "a.gguf", {}, {"t": quantized, "same": quantized}, t=kind, same=kind)
    b = _write(tmp_path / "b.gguf", {}, {"t": changed, "same": quantized}, t=kind, same=kind)
    found = diff(a, b)
    [tensor] = found.tensors
    assert (tensor.name, tensor.blocks, tensor.blocks_differing, found.tensors_equal) == ("t", 64, 1, 1)
    scale = float(quantized[3, 68:70].view(np.float16)[0])
    assert tensor.largest_difference == pytest.approx(scale, rel=1e-6)


def test_values_of_a_large_tensor(tmp_path: Path) -> None:
    """A difference in the last of several chunks is found, and only it."""
    data = np.zeros((5000, 256), np.float16)
    changed = data.copy()
    changed[-1, -1] = 3
    a = _write(tmp_path / "a.gguf", {}, {"t": data})
    [tensor] = diff(a, _write(tmp_path / "b.gguf", {}, {"t": changed})).tensors
    assert (tensor.blocks, tensor.blocks_differing, tensor.largest_difference) == (data.size, 1, 3.0)


@pytest.mark.parametrize("quantization", ["q8_0", "q4_k_m"])
def test_other_types(converted: Callable[[str], Converted], quantization: str) -> None:
    """The largest distance is that of the weights as gguf reads them; norms are equal."""
    files = converted("phi3").gguf("f16"), converted("phi3").gguf(quantization)
    found = diff(*files)
    theirs = [dict(_dequantized(path)) for path in files]
    assert [key.key for key in found.keys] == ["general.file_type"]
    for tensor in found.tensors:
        expected = float(np.abs(theirs[0][tensor.name] - theirs[1][tensor.name]).max())
        assert tensor.largest_difference == pytest.approx(expected, rel=1e-6)
        assert (tensor.blocks, tensor.blocks_differing) == (None, None)
    assert found.tensors_equal == 5


def _dequantized(path: Path) -> Iterator[tuple[str, Any]]:
    for tensor in gguf.GGUFReader(path).tensors:
        yield tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)


def test_tensors_that_cannot_be_compared(tmp_path: Path) -> None:
    """Missing ones, another shape, weights that are not numbers, and types without weights."""
    bad = _weights(3)
    bad[0, 0] = np.nan
    whole = np.arange(4, dtype=np.int8)
    a = _write(tmp_path / "a.gguf", {}, {"a": _weights(), "shape": _weights(), "nan": _weights(3), "int": whole})
    b = _write(tmp_path / "b.gguf", {}, {"shape": _weights(rows=9), "nan": bad, "int": whole + 1, "b": _weights()})
    found = {tensor.name: tensor for tensor in diff(a, b).tensors}
    assert set(found) == {"a", "shape", "nan", "int", "b"}
    assert {tensor.largest_difference for tensor in found.values()} == {None}
    assert (found["a"].b, found["b"].a) == (None, None)
    assert (found["nan"].blocks_differing, found["int"].blocks_differing) == (1, 4)
    assert found["shape"].a is not None
    assert found["shape"].a.shape == [256, 8]


def test_a_file_that_shrinks(tmp_path: Path) -> None:
    """A file that is cut while it is read is damaged; nothing crashes."""
    data = np.zeros((5000, 256), np.float16)
    a, b = _write(tmp_path / "a.gguf", {}, {"a": data, "b": data}), tmp_path / "b.gguf"
    shutil.copy(a, b)

    def cut(done: int, total: int, message: str) -> None:
        with b.open("r+b") as file:
            file.truncate(b.stat().st_size - data.nbytes)

    with pytest.raises(IntegrityError):
        diff(a, b, cut)
