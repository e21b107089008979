"""Every architecture, stored type, layout, tokenizer and quantization: the bytes of llama.cpp's own tools.

Here every pair of these factors' values occurs; bench/identity.py compares all combinations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from tests.identity import EXCEPTIONS, FOLDER, Case, Found, all_cases, check, compare, covering, make

from so8t_shared.tables.architectures import BY_NAME
from so8t_shared.tables.quantizations import ORDER, ROWS

COVERING = covering()


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokenizers that the checkpoints share, each made on first use."""
    return tmp_path_factory.mktemp("tokenizers")


@pytest.mark.parametrize("case", COVERING, ids=str)
def test_files_equal_llama_cpps(case: Case, tokenizers: Path, tmp_path: Path) -> None:
    """Types, order and bytes of all tensors, and all keys that no exception names."""
    source = make(case, tmp_path / FOLDER, tokenizers)
    for found in check(source, tmp_path, COVERING[case]):
        assert found.tensors > 0
        assert found.differing == ()


@pytest.mark.parametrize("architecture", BY_NAME)
def test_files_with_an_importance_matrix_equal_llama_quantizes(
    architecture: str, tokenizers: Path, tmp_path: Path
) -> None:
    """Whole files, with the keys that name the matrix, the types that depend on it, and plain tensors beside."""
    source = make(Case(architecture, "bf16", "one file", "tied", "BPE"), tmp_path / FOLDER, tokenizers)
    quantized = [row.name for row in ROWS if not row.from_checkpoint]
    found = list(check(source, tmp_path, quantized, imatrix=True))
    assert [each.differing for each in found] == [()] * len(quantized)


def test_every_pair_occurs() -> None:
    """Of all combinations' pairs of values, the chosen ones have every one."""
    factors = [
        *(BY_NAME, ("bf16", "fp16", "fp32"), ("one file", "shards"), ("tied", "untied"), ("BPE", "sentencepiece")),
        ORDER,
    ]
    chosen = [(c.architecture, c.dtype, c.layout, c.output, c.tokenizer, q) for c, qs in COVERING.items() for q in qs]
    for i, j in itertools.combinations(range(6), 2):
        expected = set(itertools.product(factors[i], factors[j]))
        assert {(row[i], row[j]) for row in chosen} == expected
    assert len(all_cases()) == 7 * 3 * 2 * 2 * 2


def test_every_exception_occurs(tokenizers: Path, tmp_path: Path) -> None:
    """A row of the table that nothing needs would hide a difference."""
    found = Found()
    for tokenizer in ("BPE", "sentencepiece"):
        case = Case("LlamaForCausalLM", "fp32", "one file", "tied", tokenizer)
        scratch = tmp_path / tokenizer
        found += next(check(make(case, scratch / FOLDER, tokenizers), scratch, ["f16"]))
    assert found.excepted == EXCEPTIONS.keys()


def _other_key(writer: gguf.GGUFWriter) -> None:
    writer.add_block_count(2)


def _other_type(writer: gguf.GGUFWriter) -> None:
    writer.add_uint64("llama.block_count", 1)


@pytest.mark.parametrize(
    ("change", "value", "named"),
    [
        (None, 1, None),
        (None, 2, "tensor a"),
        (_other_key, 1, "llama.block_count"),
        (_other_type, 1, "llama.block_count"),
    ],
)
def test_a_difference_is_found(
    tmp_path: Path, change: Callable[[gguf.GGUFWriter], None] | None, value: float, named: str | None
) -> None:
    """One other value of a tensor, of a key, or a key's other type."""
    for name, keys, last in (("ours", None, 1.0), ("theirs", change, value)):
        writer = gguf.GGUFWriter(tmp_path / name, "llama")
        (keys or (lambda writer: writer.add_block_count(1)))(writer)
        writer.add_tensor("a", np.array([0, last], np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    differing = compare(tmp_path / "ours", tmp_path / "theirs", ()).differing
    assert [named in text for text in differing] == [True] if named else differing == ()
