"""Sizes of GGUF files before they are made, against real files of every architecture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from tests.unit.converter.conftest import Converted
from tests.unit.shared.material import make_config

from so8t_converter.file_sizes import row_lengths, sizes_a, sizes_b
from so8t_shared.tables.architectures import BY_NAME


def _tensor_bytes(path: Path) -> int:
    return sum(int(tensor.n_bytes) for tensor in gguf.GGUFReader(path).tensors)


def _vocabulary(folder: Path) -> int:
    names = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt")
    return sum((folder / name).stat().st_size for name in names if (folder / name).is_file())


@pytest.mark.parametrize("architecture", BY_NAME)
def test_tensors_take_exactly_what_is_planned(
    converted: Callable[[str], Converted], architecture: str, tmp_path: Path
) -> None:
    """Every byte of every tensor, in all three types; what else a file holds is counted as the tokenizer's files."""
    done = converted(architecture)
    planned = sizes_a(make_config(tmp_path, model_a={"base_model": str(done.source)}))
    assert set(planned) == {"f16", "q8_0", "q4_k_m"}
    for quantization, size in planned.items():
        assert size - _vocabulary(done.source) == _tensor_bytes(done.gguf(quantization)), quantization


@pytest.mark.parametrize("architecture", BY_NAME)
def test_lengths_of_rows_are_those_of_the_file(converted: Callable[[str], Converted], architecture: str) -> None:
    """Under the names that llama.cpp gives: an importance matrix is checked by them before any work."""
    done = converted(architecture)
    tensors = gguf.GGUFReader(done.gguf("f16")).tensors
    found = {tensor.name: int(tensor.shape[0]) for tensor in tensors if len(tensor.shape) > 1}
    assert row_lengths(done.source) == found


def test_only_what_is_requested_is_written(made: Callable[[str], Path], tmp_path: Path) -> None:
    """No F16 file is written where only Q4_K_M is requested; B's base counts for B."""
    config = make_config(
        tmp_path, model_b={"base_model": str(made("llama"))}, gguf={"quantizations": ["q4_k_m"], "primary": "q4_k_m"}
    )
    assert set(sizes_b(config)) == {"q4_k_m"}
    assert sizes_a(config) == {}, "model A is not on this host"


def test_files_that_are_only_compared(made: Callable[[str], Path], tmp_path: Path) -> None:
    """B alone has them: guided like the others, or by another matrix."""
    config = make_config(
        tmp_path,
        model_a={"base_model": str(made("llama"))},
        gguf={"quantizations": ["q5_0"], "alternatives": ["imatrix", "q6_k"]},
    )
    assert set(sizes_a(config)) == {"q5_0"}
    sizes = sizes_b(config)
    assert set(sizes) == {"q5_0", "q6_k", "imatrix"}
    assert sizes["imatrix"] >= sizes["q5_0"] > 0
