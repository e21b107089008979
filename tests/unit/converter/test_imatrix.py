"""Importance matrices: both of llama.cpp's forms, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import libgguf
import numpy as np
import pytest

from so8t_converter.imatrix import ImportanceMatrix, Sums, read_imatrix, write_imatrix
from so8t_shared.errors import InputError, So8tError

SUMS = {
    "blk.1.ffn_down.weight": Sums(np.float32([1.5, 0, 7]), 6),
    "blk.0.attn_q.weight": Sums(np.float32([3, 1e-30]), 7),
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A matrix of two tensors."""
    write_imatrix(tmp_path / "m.gguf", SUMS, ["文.txt", "second"], 3)
    return tmp_path / "m.gguf"


def _old_form(path: Path, calls: int, trailer: bytes = b"") -> Path:
    name = b"blk.0.attn_q.weight"
    entry = struct.pack("<i", len(name)) + name + struct.pack("<ii2f", calls, 2, 6, 3)
    path.write_bytes(struct.pack("<i", 1) + entry + trailer)
    return path


def test_what_is_written_is_read(written: Path) -> None:
    """Means, data sets and the number of whole chunks; the same values as libgguf reads."""
    found = read_imatrix(written)
    assert (found.name, found.datasets, found.chunks) == ("m.gguf", ("文.txt", "second"), 2)
    theirs = libgguf.load_imatrix(written)
    assert set(found.values) == set(theirs) == set(SUMS)
    for name, values in found.values.items():
        assert (
            values.tobytes() == theirs[name].tobytes() == (SUMS[name].squares / np.float32(SUMS[name].rows)).tobytes()
        )


def test_the_file_is_as_llama_imatrix_writes_it(written: Path) -> None:
    """Keys in its order, tensors sorted by name, sums before counts, two dimensions each."""
    reader = gguf.GGUFReader(written)
    keys = [key for key in reader.fields if not key.startswith("GGUF.")]
    assert keys == ["general.type", "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"]
    assert reader.fields["general.type"].contents() == "imatrix"
    first, second = "blk.0.attn_q.weight", "blk.1.ffn_down.weight"
    names = [f"{name}.{part}" for name in (first, second) for part in ("in_sum2", "counts")]
    assert [tensor.name for tensor in reader.tensors] == names
    assert [tensor.shape.tolist() for tensor in reader.tensors] == [[2, 1], [1, 1], [3, 1], [1, 1]]


@pytest.mark.parametrize(
    ("calls", "trailer", "expected"),
    [
        (4, b"", ([1.5, 0.75], (), 0)),
        (0, struct.pack("<i", 9), ([6, 3], (), 9)),
        (4, struct.pack("<ii", 9, 3) + b"abc", ([1.5, 0.75], ("abc",), 9)),
    ],
)
def test_the_old_form(
    tmp_path: Path, calls: int, trailer: bytes, expected: tuple[list[float], tuple[str, ...], int]
) -> None:
    """With and without what newer tools append."""
    found = read_imatrix(_old_form(tmp_path / "m.dat", calls, trailer))
    assert (found.values["blk.0.attn_q.weight"].tolist(), found.datasets, found.chunks) == expected


def test_every_truncation_is_refused(written: Path, tmp_path: Path) -> None:
    """Of either form, up to the padding of the one and the trailer of the other, which may be absent."""
    old = _old_form(tmp_path / "m.dat", 4, struct.pack("<ii", 9, 3) + b"abc").read_bytes()
    forms = ((written.read_bytes(), range(0, written.stat().st_size - 32, 7)), (old, range(len(old) - 4 - 4 - 3)))
    for data, sizes in forms:
        for size in sizes:
            (tmp_path / "cut").write_bytes(data[:size])
            with pytest.raises(So8tError):
                read_imatrix(tmp_path / "cut")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1])
def test_what_is_no_mean_square_is_refused(tmp_path: Path, value: float) -> None:
    """llama-quantize would compute with a negative one."""
    write_imatrix(tmp_path / "m.gguf", {"a": Sums(np.float32([1, value]), 1)}, ["x"], 1)
    with pytest.raises(InputError) as caught:
        read_imatrix(tmp_path / "m.gguf")
    assert str(tmp_path / "m.gguf") in caught.value.where
    assert caught.value.exit_code == InputError.exit_code


def test_another_models_matrix_is_refused() -> None:
    """Other names or other sizes; the embeddings may differ, as llama-quantize ignores them then."""
    matrix = ImportanceMatrix("m", {"a": np.ones(2, np.float32), "token_embd.weight": np.ones(5, np.float32)})
    assert matrix.fitting({"a": 2, "token_embd.weight": 4}) is matrix
    assert matrix.of("token_embd.weight", 4) is None
    for lengths in ({"b": 2}, {"a": 3}):
        with pytest.raises(InputError):
            matrix.fitting(lengths)


def test_long_names_are_cut_as_by_llama_quantize() -> None:
    """To 127 bytes, without a half character."""
    matrix = ImportanceMatrix("字" * 50, {"a": np.ones(1, np.float32)}, ("x" * 200,), 0)
    keys = {key: value for key, (value, _) in matrix.metadata().items()}
    assert keys == {
        "quantize.imatrix.file": "字" * 42,
        "quantize.imatrix.dataset": "x" * 127,
        "quantize.imatrix.entries_count": 1,
    }
