"""Files of limited size, under the names that transformers looks for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from so8t_shared.models.shards import INDEX, ShardWriter

KIB = 1024


def _tensor(kib: int, value: int) -> np.ndarray:
    return np.full(kib * KIB, value, dtype=np.uint8)


def _written(folder: Path, sizes_kib: list[int], limit_kib: int) -> dict[str, list[str]]:
    """Names of the tensors in each file, after writing t0, t1, ... of those sizes."""
    folder.mkdir()
    writer = ShardWriter(folder, save_file, limit_kib * KIB)
    for number, size in enumerate(sizes_kib):
        writer.add(f"t{number}", _tensor(size, number))
    writer.finish()
    return {path.name: sorted(load_file(path)) for path in sorted(folder.glob("*.safetensors"))}


def test_what_fits_is_one_file(tmp_path: Path) -> None:
    """Up to the limit there is model.safetensors alone, without an index, readable by everybody."""
    folder = tmp_path / "model"
    assert _written(folder, [4, 4, 2], limit_kib=10) == {"model.safetensors": ["t0", "t1", "t2"]}
    assert [path.name for path in folder.iterdir()] == ["model.safetensors"]
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_more_is_several_files_with_an_index(tmp_path: Path) -> None:
    """Tensors stay in their order; the index has each one's file and the size of all."""
    folder = tmp_path / "model"
    files = _written(folder, [4, 4, 4, 8, 1], limit_kib=8)
    assert files == {
        "model-00001-of-00004.safetensors": ["t0", "t1"],
        "model-00002-of-00004.safetensors": ["t2"],
        "model-00003-of-00004.safetensors": ["t3"],
        "model-00004-of-00004.safetensors": ["t4"],
    }
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    assert index["metadata"] == {"total_size": 21 * KIB}
    assert index["weight_map"] == {name: file for file, names in files.items() for name in names}
    assert {path.name for path in folder.iterdir()} == {*files, INDEX}


def test_a_tensor_larger_than_the_limit_has_a_file_of_its_own(tmp_path: Path) -> None:
    """It cannot be divided, so it is not held together with others."""
    files = _written(tmp_path / "model", [1, 20, 1], limit_kib=8)
    assert list(files.values()) == [["t0"], ["t1"], ["t2"]]


@pytest.mark.parametrize("limit_kib", [1, 3, 100])
def test_the_values_survive(tmp_path: Path, limit_kib: int) -> None:
    """Whatever the limit, the files together hold every tensor once, unchanged."""
    _written(tmp_path / "model", [1, 2, 3], limit_kib)
    found = {}
    for path in (tmp_path / "model").glob("*.safetensors"):
        found.update(load_file(path))
    assert sorted(found) == ["t0", "t1", "t2"]
    assert all((found[f"t{number}"] == _tensor(number + 1, number)).all() for number in range(3))
