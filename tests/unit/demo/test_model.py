"""The exported model against the GGUF file it comes from, as gguf and llama.cpp read that file."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from so8t_demo.folders import MARKER
from so8t_demo.model import export_model
from so8t_demo.model_package import gguf_file

TEXTS = (
    "Hello world",
    "It's we're THE ABC's",
    " leading  spaces\n\n\ttab",
    "I paid 12345 yen on 2024-05-06, room  42,   7 times.",
    "a1b22c333 1,000 ½ ²",
    "caf\u00e9 na\u00efve 🙂",
    "私のアカウントを削除して。承認済み、未承認。ｱｲｳ 令和5年12月",
    "<final>ESCALATION</final>",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported model; read only."""
    out = tmp_path_factory.mktemp("demo") / "model"
    assert export_model(out)
    return out


@pytest.fixture(scope="module")
def llama_cpp_tokens() -> Iterator[Callable[[str], list[int]]]:
    """Tokens of a text as llama.cpp makes them from the original file."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf_file())
    parameters.n_ctx, parameters.n_parallel, parameters.cpuparams.n_threads = 256, 1, 1
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    address = server.listening_address

    def tokens(text: str) -> list[int]:
        body = json.dumps({"content": text, "parse_special": True}).encode()
        request = urllib.request.Request(f"{address}/tokenize", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return [int(token) for token in json.load(answer)["tokens"]]

    yield tokens
    del server


def test_the_folder_is_an_ordinary_checkpoint(folder: Path) -> None:
    """Exactly the files of a Hugging Face folder, nothing quantized, no path of this machine."""
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "README.md",
        MARKER,
    }
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            assert str(gguf_file().parent) not in path.read_text(encoding="utf-8"), path.name


def test_the_weights_are_those_of_the_gguf_file(folder: Path) -> None:
    """Tensors that need no reordering equal gguf's own dequantization to float16's rounding."""
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors import safe_open

    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    tensors = {tensor.name: tensor for tensor in GGUFReader(str(gguf_file())).tensors}
    with safe_open(folder / "model.safetensors", "np") as stored:
        for source, target in names.items():
            wanted = dequantize(tensors[source].data, tensors[source].tensor_type)
            found = stored.get_tensor(target)
            assert found.dtype == np.float16
            np.testing.assert_allclose(found, wanted, rtol=2**-11, atol=2**-24)


def test_tokens_are_llama_cpps(folder: Path, llama_cpp_tokens: Callable[[str], list[int]]) -> None:
    """The saved tokenizer gives llama.cpp's tokens, digits after several spaces and Japanese included."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == llama_cpp_tokens(text), text


def test_the_chat_template_and_its_end_token_are_kept(folder: Path) -> None:
    """A conversation is rendered in ChatML, and an answer ends with <|im_end|>."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.eos_token == "<|im_end|>"


def test_the_model_speaks_english(folder: Path) -> None:
    """Loaded by transformers like any checkpoint, the model answers a simple question rightly."""
    assert "Paris" in answer(folder, "What is the capital of France?")


def answer(folder: Path, question: str) -> str:
    """The model's greedy answer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=16, do_sample=False)
    return str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :]))


def test_a_second_export_changes_nothing(folder: Path) -> None:
    """The folder is recognized, and no file is written again."""
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert not export_model(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
