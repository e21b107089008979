"""Finding and listing a checkpoint's safetensors files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from so8t_converter.weights import stored_tensors, weight_files
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


def test_missing_shard_is_named(tmp_path: Path) -> None:
    """A shard that the index or the numbering promises and the folder lacks is named."""
    _save(tmp_path / "model-00001-of-00002.safetensors", a=torch.zeros(1))
    with pytest.raises(InputError, match="model-00002-of-00002"):
        weight_files(tmp_path)
    _index(tmp_path, {"a": "model-00001-of-00002.safetensors", "b": "model-00003-of-00003.safetensors"})
    with pytest.raises(InputError, match="model-00003-of-00003"):
        weight_files(tmp_path)


def test_index_and_shards_disagree(tmp_path: Path) -> None:
    """A tensor that the index lists and no shard has is an error."""
    _save(tmp_path / "one.safetensors", a=torch.zeros(1))
    _index(tmp_path, {"a": "one.safetensors", "b": "one.safetensors"})
    with pytest.raises(InputError, match=r"1 tensors that the index lists are in no file: b"):
        stored_tensors(tmp_path)


@pytest.mark.parametrize("place", ["../one.safetensors", 3])
def test_index_names_only_files_of_the_folder(tmp_path: Path, place: object) -> None:
    """An index cannot point outside the folder, nor hold anything but names."""
    _index(tmp_path, {"a": place})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="weight_map"):
        weight_files(tmp_path)


def test_ambiguous_files(tmp_path: Path) -> None:
    """Several weight files and no index: it is not guessed which count."""
    for name in ("model.safetensors", "model-old.safetensors"):
        _save(tmp_path / name, a=torch.zeros(1))
    with pytest.raises(InputError, match="unclear"):
        weight_files(tmp_path)


@pytest.mark.parametrize("keep", [4, 40, -8])
def test_truncated_file(tmp_path: Path, keep: int) -> None:
    """A file cut anywhere is called truncated, with its size."""
    path = tmp_path / "model.safetensors"
    _save(path, a=torch.zeros(64))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="truncated") as raised:
        stored_tensors(tmp_path)
    assert f"{path.stat().st_size} bytes" in raised.value.where


def test_pointer_and_pickle(tmp_path: Path) -> None:
    """A Git LFS pointer and a pickled file are told apart from missing weights."""
    with pytest.raises(InputError, match="no weights"):
        weight_files(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(InputError, match="pickled"):
        weight_files(tmp_path)
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.example/spec/v1\n")
    with pytest.raises(InputError, match="Git LFS pointer"):
        stored_tensors(tmp_path)
