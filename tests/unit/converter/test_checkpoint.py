"""Every unusable model folder gets its own message before any work is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from so8t_converter.checkpoint import inspect
from so8t_shared.errors import InputError

CopyOf = Callable[[str], Path]


def _edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def _refused(folder: Path) -> InputError:
    with pytest.raises(InputError) as raised:
        inspect(folder)
    assert raised.value.where
    assert raised.value.remedy
    return raised.value


@pytest.mark.parametrize(
    ("name", "architecture", "foreign"),
    [
        ("llama", "LlamaForCausalLM", False),
        ("qwen2", "Qwen2ForCausalLM", False),
        ("phi3", "Phi3ForCausalLM", False),
        ("foreign", "Phi3ForCausalLM", True),
    ],
)
def test_good_checkpoints(made: CopyOf, name: str, architecture: str, foreign: bool) -> None:
    """Each supported kind is accepted and recognized."""
    checkpoint = inspect(made(name))
    assert (checkpoint.architecture.name, checkpoint.foreign) == (architecture, foreign)


def test_parameters_are_counted_as_transformers_does(made: CopyOf) -> None:
    """A tied output counts once, gates do not count."""
    from transformers import AutoModelForCausalLM

    for name in ("llama", "phi3"):
        model = AutoModelForCausalLM.from_pretrained(made(name))
        assert inspect(made(name)).parameters == model.num_parameters()
    assert inspect(made("foreign")).parameters == inspect(made("phi3")).parameters


def test_missing_folder(tmp_path: Path) -> None:
    """A path that does not exist, and one that is a file."""
    assert "does not exist" in _refused(tmp_path / "nowhere").what
    (tmp_path / "file").write_text("x")
    assert "Not a folder" in _refused(tmp_path / "file").what


def test_folder_without_config(copy_of: CopyOf) -> None:
    """The missing config.json is named."""
    folder = copy_of("llama")
    (folder / "config.json").unlink()
    assert "no config.json" in _refused(folder).what


def test_unsupported_architecture(copy_of: CopyOf) -> None:
    """An architecture outside the list is refused by name."""
    folder = copy_of("llama")
    _edit_config(folder, architectures=["GemmaForCausalLM"])
    assert "GemmaForCausalLM" in _refused(folder).what


def test_truncated_weights(copy_of: CopyOf) -> None:
    """Truncated safetensors are noticed."""
    path = copy_of("llama") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "truncated" in _refused(path.parent).what


def test_weights_are_a_pointer(copy_of: CopyOf) -> None:
    """A Git LFS pointer instead of the weights is noticed."""
    folder = copy_of("llama")
    (folder / "model.safetensors").write_text("version https://git-lfs.example/spec/v1\n")
    assert "Git LFS" in _refused(folder).what


def test_quantized_config(copy_of: CopyOf) -> None:
    """A checkpoint saved by bitsandbytes is refused with the method's name."""
    folder = copy_of("llama")
    _edit_config(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    assert "bitsandbytes" in _refused(folder).what


def test_quantized_tensors(copy_of: CopyOf) -> None:
    """So are int8 weights whose config does not say so."""
    folder = copy_of("llama")
    name = "model.layers.0.mlp.up_proj.weight"
    _edit_tensors(folder, lambda tensors: tensors.update({name: tensors[name].to(torch.int8)}))
    assert "stored as I8" in _refused(folder).what


@pytest.mark.parametrize("gate", ["so8t_rotation_gate.theta", "so8t_gate"])
def test_leftover_gates(copy_of: CopyOf, gate: str) -> None:
    """Gate tensors in an ordinary checkpoint would be lost in silence; they are refused."""
    folder = copy_of("llama")
    _edit_tensors(folder, lambda t: t.update({f"model.layers.0.self_attn.{gate}": torch.zeros(32, 28)}))
    assert "still contain 1 SO8T gate tensors" in _refused(folder).what


def test_missing_and_unknown_tensors(copy_of: CopyOf) -> None:
    """A layer with a tensor too few or too many is named."""
    folder = copy_of("llama")
    _edit_tensors(folder, lambda tensors: tensors.update({"model.extra.weight": torch.zeros(1)}))
    assert "unknown, for example model.extra.weight" in _refused(folder).what
    _edit_tensors(folder, lambda tensors: tensors.pop("model.norm.weight"))
    assert "missing from the weights, for example model.norm.weight" in _refused(folder).what


def test_wrong_shape(copy_of: CopyOf) -> None:
    """Weights that do not fit config.json are refused with both shapes."""
    folder = copy_of("llama")
    _edit_config(folder, intermediate_size=1024)
    assert "[512, 256], but config.json says [1024, 256]" in _refused(folder).what


def test_missing_tokenizer(copy_of: CopyOf) -> None:
    """A folder without tokenizer, and a Phi-3 without its sentencepiece model."""
    folder = copy_of("llama")
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer" in _refused(folder).what
    folder = copy_of("phi3")
    (folder / "tokenizer.model").unlink()
    assert "tokenizer.model is missing" in _refused(folder).what


def test_added_token_outside_the_embedding(copy_of: CopyOf) -> None:
    """A token added without resizing the embedding is named with its id."""
    folder = copy_of("llama")
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 768, "content": "<think-task>"})
    path.write_text(json.dumps(tokenizer))
    assert "'<think-task>' is 768, but vocab_size is 768" in _refused(folder).what


def test_gate_width(copy_of: CopyOf) -> None:
    """A gated checkpoint whose attention width is not divisible by 8 is refused."""
    folder = copy_of("foreign")
    _edit_config(folder, num_attention_heads=3, hidden_size=12)
    assert "attention width 12 is not divisible by 8" in _refused(folder).what


def test_foreign_gate_missing_or_unknown(copy_of: CopyOf) -> None:
    """A layer without its gate, and a gate with a parameter that is not known, are refused."""
    folder = copy_of("foreign")
    gate = "model.layers.1.self_attn.so8t_rotation_gate"
    _edit_tensors(folder, lambda tensors: tensors.update({f"{gate}.scale": torch.ones(1)}))
    assert f"unknown, for example {gate}.scale" in _refused(folder).what
    _edit_tensors(folder, lambda tensors: tensors.pop(f"{gate}.theta"))
    assert f"missing from the weights, for example {gate}.theta" in _refused(folder).what


def test_integrated_flag_alone_is_not_foreign(copy_of: CopyOf) -> None:
    """A Phi-3 that says so8t_integrated but holds no gate any more is an ordinary one."""
    folder = copy_of("phi3")
    _edit_config(folder, so8t_integrated=True)
    assert not inspect(folder).foreign


def test_old_rotary_buffers_are_ignored(copy_of: CopyOf) -> None:
    """inv_freq tensors of old checkpoints do no harm."""
    folder = copy_of("llama")
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    _edit_tensors(folder, lambda tensors: tensors.update({name: torch.zeros(32)}))
    assert inspect(folder)
