"""The F16 file means to llama.cpp what the checkpoint means to transformers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import libgguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.messages import Said
from tests.tiny_models import BY_ARCHITECTURE, make_llama, make_phi3
from tests.tiny_tokenizers import CONTEXT
from tests.unit.converter.engine import LlamaCpp
from tests.unit.converter.gguf_files import write_gguf
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from so8t_converter.checkpoint import inspect
from so8t_converter.clean_folder import clean_folder
from so8t_converter.converter_code import converter_class, light_imports
from so8t_shared.errors import InputError
from so8t_shared.models.chat import special_markers
from so8t_shared.models.hf_folder import JsonFiles
from so8t_shared.models.prompts import build_messages, render_chat
from so8t_shared.tables.architectures import BY_NAME

TEXTS = [
    "Hello 123 world's  test\n\n x",
    "自分のノート 送金12,500。🚀 é",
    "<|user|>\nhi<|end|>\n<|assistant|>\n",
    "<|im_start|>user\n  two  <|im_end|>\n",
    " leading",
    "\n",
]


def _prompt(source: Path) -> str:
    tokenizer = AutoTokenizer.from_pretrained(source)
    messages = build_messages("送金 12345 dollars? It's 🚀", special_markers(JsonFiles(source)))
    return render_chat(tokenizer.chat_template, messages)


def _f16(source: Path, scratch: Path) -> Path:
    checkpoint = inspect(source)
    folder = clean_folder(source, scratch / "clean")
    write_gguf(checkpoint, folder, scratch / "out.gguf")
    return scratch / "out.gguf"


def _compare(gguf: Path, source: Path, *, tolerance: float) -> None:
    """Tokens, greedy continuation and log probabilities of llama.cpp against transformers."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(source)
    engine = LlamaCpp(gguf, model.config.vocab_size)
    prompt = _prompt(source)
    for text in [*TEXTS, prompt]:
        assert engine.tokens(text) == tokenizer(text).input_ids, text
    ids = tokenizer(prompt).input_ids
    with torch.no_grad():
        expected = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1], -1).numpy()
    assert np.abs(engine.logprobs(ids) - expected).max() < tolerance
    continued = list(ids)
    for _ in range(8):
        with torch.no_grad():
            continued.append(int(model(torch.tensor([continued])).logits[0, -1].argmax()))
    assert engine.greedy(ids, 8) == continued[len(ids) :]


@pytest.mark.parametrize("name", BY_NAME)
def test_agrees_with_transformers(made: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    """Every architecture: same tokens, same greedy continuation, log probabilities within 0.01."""
    source = made(name)
    _compare(_f16(source, tmp_path), source, tolerance=0.01)


def test_longrope_phi3_agrees_with_transformers(tmp_path: Path) -> None:
    """Phi-3.5's long-context rotary factors arrive in the file."""
    source = make_phi3(tmp_path / "source", longrope=True)
    _compare(_f16(source, tmp_path), source, tolerance=0.01)


def test_sliding_window_agrees_with_transformers(tmp_path: Path) -> None:
    """Gemma 3's layers that see 16 tokens alone, under a prompt that is longer."""
    source = BY_ARCHITECTURE["Gemma3ForCausalLM"](tmp_path / "source", sliding_window=16)
    _compare(_f16(source, tmp_path), source, tolerance=0.01)


@pytest.mark.parametrize("tokenizer_class", ["GPT2Tokenizer", "TokenizersBackend"])
def test_phi4_mini_agrees_with_transformers(tmp_path: Path, tokenizer_class: str) -> None:
    """Phi-4-mini: a Phi-3 with three quarters of each head rotated, grouped heads, a tied output, byte-level BPE."""
    source = make_llama(
        tmp_path / "source",
        kind="Phi3",
        tokenizer_class=tokenizer_class,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.75},
        original_max_position_embeddings=CONTEXT,
    )
    _compare(_f16(source, tmp_path), source, tolerance=0.01)


def test_class_of_phi4_minis_tokenizer_changes_no_byte(tmp_path: Path) -> None:
    """transformers 5 saves another class name for the same tokenizer."""
    files = []
    for tokenizer_class in ("GPT2Tokenizer", "TokenizersBackend"):
        (scratch := tmp_path / tokenizer_class).mkdir()
        source = make_llama(scratch / "source", kind="Phi3", tokenizer_class=tokenizer_class)
        files.append(_f16(source, scratch).read_bytes())
    assert files[0] == files[1]


def test_untied_bfloat16_llama_agrees_with_transformers(tmp_path: Path) -> None:
    """bfloat16 weights and an output projection of its own."""
    source = make_llama(tmp_path / "source", tied=False, dtype=torch.bfloat16)
    _compare(_f16(source, tmp_path), source, tolerance=0.02)


def test_tokenizer_class_that_transformers_rebuilds(tmp_path: Path) -> None:
    """SmolLM2's class name makes transformers 5 drop its digit splitting; the file keeps what tokenizer.json says."""
    source = make_llama(tmp_path / "source", tokenizer_class="GPT2Tokenizer")
    gguf = _f16(source, tmp_path)
    assert libgguf.read_gguf_header(gguf).metadata["tokenizer.ggml.pre"].value == "smollm"
    engine, tokenizer = LlamaCpp(gguf, 768), Tokenizer.from_file(str(source / "tokenizer.json"))
    for text in ("  3 33 333", "a1b22", "12,500 dollars"):
        assert engine.tokens(text) == tokenizer.encode(text).ids


def test_unknown_pre_tokenizer(copy_of: Callable[[str], Path], tmp_path: Path, said: Said) -> None:
    """A splitting without counterpart in llama.cpp is refused."""
    source = copy_of("llama")
    path = source / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["pre_tokenizer"] = {"type": "Whitespace"}
    path.write_text(json.dumps(tokenizer))
    with said.raised(InputError):
        _f16(source, tmp_path)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e5])
def test_weights_outside_f16(copy_of: Callable[[str], Path], tmp_path: Path, value: float, said: Said) -> None:
    """An infinite or too large weight, or one that is not a number, is refused with its tensor's name."""
    source = copy_of("llama")
    tensors = load_file(source / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
    with said.raised(InputError):
        _f16(source, tmp_path)


@pytest.mark.parametrize(("value", "fits"), [(float("inf"), False), (float("nan"), False), (1e5, True), (-1e38, True)])
def test_weights_outside_bf16(
    copy_of: Callable[[str], Path], tmp_path: Path, value: float, fits: bool, said: Said
) -> None:
    """bfloat16 reaches as far as float32: only what is not finite is refused."""
    source = copy_of("llama")
    tensors = load_file(source / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
    folder = clean_folder(source, tmp_path / "clean")
    with nullcontext() if fits else said.raised(InputError):
        write_gguf(inspect(source), folder, tmp_path / "out.gguf", "bf16")


def test_stale_output_of_a_tied_model(copy_of: Callable[[str], Path], tmp_path: Path) -> None:
    """A tied model's stored lm_head, which transformers ignores, does not get into the file."""
    source = copy_of("llama")
    tensors = load_file(source / "model.safetensors")
    tensors["lm_head.weight"] = torch.zeros_like(tensors["model.embed_tokens.weight"])
    save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
    names = [tensor.name for tensor in libgguf.read_gguf_header(_f16(source, tmp_path)).tensors]
    assert "output.weight" not in names
    assert "token_embd.weight" in names


def test_converter_refusal_is_an_input_error(copy_of: Callable[[str], Path], tmp_path: Path, said: Said) -> None:
    """What only llama.cpp's converter notices still reads as an error of the input."""
    source = copy_of("phi3")
    path = source / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["tokenizer_class"]
    path.write_text(json.dumps(settings))
    with said.raised(InputError):
        _f16(source, tmp_path)


def test_bytes_do_not_depend_on_the_place(made: Callable[[str], Path], tmp_path: Path) -> None:
    """The same checkpoint under two paths gives the same bytes, and no path is in them."""
    files = []
    for name in ("first-7B-chat", "second"):
        (tmp_path / name).mkdir()
        files.append(_f16(made("phi3"), tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert str(tmp_path).encode() not in files[0]


def test_template_is_the_one_that_transformers_uses(copy_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Where both places hold a chat template, chat_template.jinja wins."""
    source = copy_of("qwen2")
    (source / "chat_template.jinja").write_text("{{ 'from jinja' }}")
    assert AutoTokenizer.from_pretrained(source).chat_template == "{{ 'from jinja' }}"
    metadata = libgguf.read_gguf_header(_f16(source, tmp_path)).metadata
    assert metadata["tokenizer.chat_template"].value == "{{ 'from jinja' }}"


def test_the_stand_ins_are_the_converters_alone() -> None:
    """Within the block imports give them, to the converter too; outside it and in a block within, what is installed."""
    with light_imports():
        assert sys.modules["torch"] is not torch
        module = sys.modules[converter_class("LlamaForCausalLM").__module__]
        with light_imports():
            assert sys.modules["torch"] is torch
            assert sys.modules.get("conversion.base") is not module
    assert sys.modules["torch"] is torch
    assert sys.modules.get(module.__name__) is not module
    assert module.torch.Tensor is np.ndarray


def test_digest_decides_where_the_definition_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition that is not listed is left to the converter's digest, taken of tokenizer.json as it is."""
    source = make_llama(tmp_path / "source", tokenizer_class="GPT2Tokenizer")
    monkeypatch.setattr("so8t_converter.llama_cpp.pre_tokenizer_name", lambda tokenizer: None)
    with light_imports():
        text_model = converter_class("LlamaForCausalLM")
    monkeypatch.setattr(text_model, "get_vocab_base_pre", lambda self, tokenizer: str(tokenizer.encode("a 33")))
    gguf = _f16(source, tmp_path)
    ids = Tokenizer.from_file(str(source / "tokenizer.json")).encode("a 33").ids
    assert libgguf.read_gguf_header(gguf).metadata["tokenizer.ggml.pre"].value == str(ids)


@pytest.mark.parametrize("kind", ["llama", "phi3"])
@pytest.mark.parametrize(("prefix", "added"), [("", False), ("{{ bos_token }}", True)])
def test_nothing_is_added_that_the_template_does_not_write(
    copy_of: Callable[[str], Path], tmp_path: Path, kind: str, prefix: str, added: bool
) -> None:
    """The tokenizer's wish for a beginning counts only where the chat template writes one; an end is never added."""
    source = copy_of(kind)
    path = source / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings.update(add_bos_token=True, add_eos_token=True)
    settings["chat_template"] = prefix + settings["chat_template"]
    if kind == "llama":
        settings["bos_token"] = "<|endoftext|>"
    path.write_text(json.dumps(settings))
    metadata = libgguf.read_gguf_header(_f16(source, tmp_path)).metadata
    assert metadata["tokenizer.ggml.add_bos_token"].value is added
    assert metadata["tokenizer.ggml.add_eos_token"].value is False
