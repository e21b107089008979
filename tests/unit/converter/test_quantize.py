"""Q8_0 and Q4_K_M files: right types, right bytes, readable by llama.cpp."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import gguf
import libgguf
import numpy as np
import pytest
import torch
from tests.tiny_models import make_llama
from tests.unit.converter.conftest import Converted
from tests.unit.converter.engine import LlamaCpp
from tests.unit.converter.gguf_files import quantize
from tests.unit.converter.test_llama_cpp import _f16, _prompt
from transformers import AutoModelForCausalLM, AutoTokenizer

NAMES = ["llama", "qwen2", "phi3"]
QUANTIZED = ["q8_0", "q4_k_m"]
STEP = {"F32": 0.0, "F16": 0.0, "Q8_0": 1 / 120, "Q6_K": 1 / 24, "Q4_K": 1 / 8}
"""Largest rounding error as a share of the largest value of a block (8, 6, 4 bits; scales are rounded too)."""


def _tensors(path: Path) -> dict[str, gguf.gguf_reader.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quantization", QUANTIZED)
def test_values_stay_close(converted: Callable[[str], Converted], name: str, quantization: str) -> None:
    """Dequantized by the gguf package, every value lies within its type's rounding error."""
    before, after = (_tensors(converted(name).gguf(q)) for q in ("f16", quantization))
    assert set(before) == set(after)
    for key, tensor in after.items():
        exact = before[key].data.astype(np.float32)
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(exact.shape)
        size = gguf.GGML_QUANT_SIZES[tensor.tensor_type][0]
        largest = np.abs(exact).reshape(-1, size).max(axis=1, keepdims=True)
        error = np.abs(values - exact).reshape(-1, size)
        assert (error <= largest * STEP[tensor.tensor_type.name]).all(), key


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quantization", QUANTIZED)
def test_llama_cpp_answers_like_the_original(
    converted: Callable[[str], Converted], name: str, quantization: str
) -> None:
    """The distribution of the next token stays close to transformers': the loss of precision, no more."""
    source = converted(name).source
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(source)(_prompt(source)).input_ids
    with torch.no_grad():
        expected = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1], -1).numpy()
    engine = LlamaCpp(converted(name).gguf(quantization), model.config.vocab_size)
    divergence = np.sum(np.exp(expected) * (expected - engine.logprobs(ids)))
    assert 0 <= divergence < {"q8_0": 0.002, "q4_k_m": 0.1}[quantization]


@pytest.mark.parametrize("quantization", QUANTIZED)
def test_metadata(converted: Callable[[str], Converted], quantization: str) -> None:
    """All keys of the F16 file with their values and types; file type and version set at the end."""
    before, after = (libgguf.read_gguf_header(converted("phi3").gguf(name)).metadata for name in ("f16", quantization))
    assert list(after)[-2:] == ["general.quantization_version", "general.file_type"]
    assert after["general.file_type"].value == {"q8_0": 7, "q4_k_m": 15}[quantization]
    assert after["general.quantization_version"].value == 2
    assert {key: value for key, value in after.items() if key != "general.file_type"} == {
        key: value for key, value in before.items() if key != "general.file_type"
    }
    assert before["general.file_type"].value == 1


def test_valid_files(converted: Callable[[str], Converted]) -> None:
    """libgguf's validator finds no fault with any file."""
    for name in NAMES:
        for quantization in ("f16", *QUANTIZED):
            result = libgguf.validate_gguf(converted(name).gguf(quantization))
            assert result.ok, result.errors


def test_number_of_threads_does_not_change_the_bytes(
    converted: Callable[[str], Converted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread with whole tensors and three with small pieces write the same file."""
    source = converted("llama").gguf("f16")
    quantize(source, tmp_path / "one.gguf", "q4_k_m", threads=1)
    monkeypatch.setattr("so8t_converter.one_pass._PIECE_VALUES", 256 * 7)
    quantize(source, tmp_path / "three.gguf", "q4_k_m", threads=3)
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "three.gguf").read_bytes()
    assert (tmp_path / "one.gguf").read_bytes() == converted("llama").gguf("q4_k_m").read_bytes()


def test_rows_that_do_not_fit_blocks_of_256(tmp_path: Path) -> None:
    """SmolLM2's width 576 = 9 x 64 falls back to Q5_0 and Q8_0, and llama.cpp reads the result."""
    source = make_llama(tmp_path / "source", hidden=576, heads=9, kv_heads=3)
    types = quantize(_f16(source, tmp_path), tmp_path / "q4.gguf", "q4_k_m")
    assert set(types) == {"F32", "Q4_K", "Q5_0", "Q6_K", "Q8_0"}
    found = {tensor.name: tensor.qtype for tensor in libgguf.read_gguf_header(tmp_path / "q4.gguf").tensors}
    assert found["token_embd.weight"] == found["blk.1.attn_v.weight"] == "Q8_0"
    assert found["blk.0.attn_q.weight"] == "Q5_0"
    assert (found["blk.0.ffn_down.weight"], found["blk.1.ffn_down.weight"]) == ("Q4_K", "Q6_K")
    assert np.isfinite(LlamaCpp(tmp_path / "q4.gguf", 768).logprobs([5, 6, 7])).all()


@pytest.mark.parametrize(
    ("architecture", "layers", "kv_heads", "kind"),
    [
        ("llama", 80, 2, "Q5_K"),
        ("llama", 80, 8, "Q4_K"),  # the first 65B one
        ("llama", 64, 2, "Q4_K"),
        ("qwen2", 80, 2, "Q5_K"),
        ("qwen2", 80, 8, "Q5_K"),
        ("qwen2", 64, 2, "Q4_K"),
        ("phi3", 80, 2, "Q4_K"),
    ],
)
def test_what_llama_cpp_calls_70b(tmp_path: Path, architecture: str, layers: int, kv_heads: int, kind: str) -> None:
    """The value projections of 80 layers get more bits in Qwen2 always, in a Llama where heads share them."""
    writer = gguf.GGUFWriter(tmp_path / "f16.gguf", architecture)
    writer.add_block_count(layers)
    writer.add_head_count(8)
    writer.add_head_count_kv(kv_heads)
    for layer in range(layers):
        writer.add_tensor(f"blk.{layer}.attn_v.weight", np.ones((1, 256), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    types = quantize(tmp_path / "f16.gguf", tmp_path / "q4.gguf", "q4_k_m", threads=1)
    assert set(types) == {kind, "Q6_K"}


def test_a_model_that_names_no_value_heads(tmp_path: Path) -> None:
    """An old config.json without num_key_value_heads: each query head has a value head of its own."""
    writer = gguf.GGUFWriter(tmp_path / "f16.gguf", "llama")
    writer.add_block_count(1)
    writer.add_head_count(8)
    writer.add_tensor("blk.0.attn_v.weight", np.ones((1, 256), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert quantize(tmp_path / "f16.gguf", tmp_path / "iq4.gguf", "iq4_xs", threads=1) == {"IQ4_XS": 1}


def test_stopping_ends_the_threads(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """An exception from `on_tensor` comes out, and no thread is left."""

    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    before = set(threading.enumerate())
    with pytest.raises(Stop):
        quantize(converted("llama").gguf("f16"), tmp_path / "out.gguf", "q8_0", stop)
    assert set(threading.enumerate()) == before


def test_progress_counts_every_tensor_once(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """`on_tensor` is called once a tensor, copied ones included."""
    calls: list[None] = []
    types = quantize(converted("llama").gguf("f16"), tmp_path / "o.gguf", "q8_0", lambda: calls.append(None))
    assert len(calls) == sum(types.values()) == 20
