"""Listing the tensors of a checkpoint's safetensors files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.messages import Said

from so8t_converter.weights import stored_tensors
from so8t_shared.errors import InputError


def _save(path: Path, **tensors: torch.Tensor) -> None:
    save_file(tensors, path, metadata={"format": "pt"})


def _index(folder: Path, places: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_single_file(tmp_path: Path) -> None:
    """Name, type and shape of every tensor are listed, bfloat16 and scalars included."""
    _save(tmp_path / "model.safetensors", a=torch.zeros(2, 3, dtype=torch.bfloat16), b=torch.tensor(1.0))
    tensors = stored_tensors(tmp_path)
    assert {name: (t.dtype, t.shape) for name, t in tensors.items()} == {
        "a": ("BF16", (2, 3)),
        "b": ("F32", ()),
    }


def test_shards_by_index(tmp_path: Path) -> None:
    """With an index its files count, whatever they are called and whatever else lies there."""
    _save(tmp_path / "part-a.safetensors", a=torch.zeros(1))
    _save(tmp_path / "part-b.safetensors", b=torch.zeros(1))
    _save(tmp_path / "model.safetensors", c=torch.zeros(1))
    _index(tmp_path, {"a": "part-a.safetensors", "b": "part-b.safetensors"})
    assert sorted(stored_tensors(tmp_path)) == ["a", "b"]


def test_shards_without_index(tmp_path: Path) -> None:
    """Without an index the shards' own numbering says which belong together."""
    for i in (1, 2):
        _save(tmp_path / f"model-0000{i}-of-00002.safetensors", **{f"t{i}": torch.zeros(1)})
    assert sorted(stored_tensors(tmp_path)) == ["t1", "t2"]


def test_index_and_shards_disagree(tmp_path: Path, said: Said) -> None:
    """A tensor that the index lists and no shard has is an error."""
    _save(tmp_path / "one.safetensors", a=torch.zeros(1))
    _index(tmp_path, {"a": "one.safetensors", "b": "one.safetensors"})
    with said.raised(InputError):
        stored_tensors(tmp_path)


@pytest.mark.parametrize("keep", [4, 40, -8])
def test_truncated_file(tmp_path: Path, keep: int, said: Said) -> None:
    """A file cut anywhere is called truncated, with its size."""
    path = tmp_path / "model.safetensors"
    _save(path, a=torch.zeros(64))
    path.write_bytes(path.read_bytes()[:keep])
    with said.raised(InputError) as raised:
        stored_tensors(tmp_path)
    assert f"{path.stat().st_size} bytes" in raised.value.where


def test_a_pointer(tmp_path: Path, said: Said) -> None:
    """A Git LFS pointer in place of the weights is called one."""
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.example/spec/v1\n")
    with said.raised(InputError):
        stored_tensors(tmp_path)
