"""A foreign SO8T checkpoint is folded exactly, and nothing in it is ever run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.tiny_models import make_foreign_so8t
from tests.unit.converter.conftest import kept_in
from transformers import AutoConfig, AutoModelForCausalLM

from so8t_converter.checkpoint import Checkpoint, inspect
from so8t_converter.convert import Conversion, convert
from so8t_converter.so8t_checkpoint import describe_gates, gate_rotations, is_stored, ordinary_files, ordinary_tensor
from so8t_shared.config.values import Rotation
from so8t_shared.errors import ConfigError, InputError

IDS = torch.arange(3, 60).unsqueeze(0)


def restore(checkpoint: Checkpoint, target: Path, rotation: Rotation) -> Path:
    """The equivalent ordinary Phi-3 as a folder: its files, and each tensor that a conversion would read."""
    ordinary_files(checkpoint, target)
    stored = load_file(checkpoint.folder / "model.safetensors")
    tensors = {name: stored[name] for name in checkpoint.used if is_stored(checkpoint, name)}
    computed = {name: ordinary_tensor(checkpoint, name, rotation) for name in checkpoint.used if name not in tensors}
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in computed.items()}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return target


def _rotation(theta: torch.Tensor, kind: Rotation) -> torch.Tensor:
    """The definition, in torch and float64: independent of so8t_shared.models.rotation."""
    skew = theta.double() - theta.double().transpose(1, 2)
    if kind == "exp":
        return torch.linalg.matrix_exp(skew)
    eye = torch.eye(8, dtype=torch.float64)
    return torch.linalg.inv(eye - skew / 2) @ (eye + skew / 2)


def _reference_logits(folder: Path, phi3: Path, kind: Rotation) -> torch.Tensor:
    """Logits of the ungated Phi-3 with x R applied in front of each o_proj by a hook."""
    model = AutoModelForCausalLM.from_pretrained(phi3, dtype=torch.float32)
    stored = load_file(folder / "model.safetensors")
    for i, layer in enumerate(model.model.layers):
        theta = stored[f"model.layers.{i}.self_attn.so8t_rotation_gate.theta"]
        blocks = _rotation(theta, kind).float()

        def rotate(module: Any, args: tuple[torch.Tensor], blocks: torch.Tensor = blocks) -> torch.Tensor:
            x = args[0].unflatten(-1, (-1, 8))
            return torch.einsum("...ni,nij->...nj", x, blocks).flatten(-2)

        layer.self_attn.o_proj.register_forward_pre_hook(rotate)
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("kind", ["cayley", "exp"])
def test_folded_logits_equal_the_rotation_applied(made: Callable[[str], Path], tmp_path: Path, kind: Rotation) -> None:
    """The restored model computes W (x R) in float32 to 1e-5, for both rotations."""
    folder = restore(inspect(made("foreign")), tmp_path / "restored", kind)
    reference = _reference_logits(made("foreign"), made("phi3"), kind)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits = model(IDS).logits
        ungated = AutoModelForCausalLM.from_pretrained(made("phi3"), dtype=torch.float32)(IDS).logits
    assert (logits - reference).abs().max() < 1e-5
    assert (ungated - reference).abs().max() > 0.1  # the gates do something


def test_restored_folder_is_an_ordinary_phi3(made: Callable[[str], Path], tmp_path: Path) -> None:
    """Exact files, ordinary config, ordinary tensors; qkv is the three parts in order."""
    source = made("foreign")
    folder = restore(inspect(source), tmp_path / "restored", "cayley")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("added_tokens.json", "config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer.model", "tokenizer_config.json"),
    ]
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["Phi3ForCausalLM"]
    assert not {"auto_map", "so8t_integrated"} & set(config)
    assert type(AutoConfig.from_pretrained(folder)).__name__ == "Phi3Config"
    restored, original = inspect(folder), load_file(made("phi3") / "model.safetensors")
    assert set(restored.tensors) == set(original)
    qkv = "model.layers.1.self_attn.qkv_proj.weight"
    assert torch.equal(load_file(folder / "model.safetensors")[qkv], original[qkv])


def test_bfloat16_checkpoint_keeps_the_fold_in_float32(tmp_path: Path) -> None:
    """The folded projection is float32 also where the weights are bfloat16; the others keep their type."""
    source = make_foreign_so8t(tmp_path / "source")
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(source / "model.safetensors").items()}
    save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
    restored = load_file(restore(inspect(source), tmp_path / "restored", "exp") / "model.safetensors")
    weight = tensors["model.layers.0.self_attn.o_proj.weight"].double()
    theta = tensors["model.layers.0.self_attn.so8t_rotation_gate.theta"]
    expected = weight @ torch.block_diag(*_rotation(theta, "exp")).T
    assert (restored["model.layers.0.self_attn.o_proj.weight"] - expected).abs().max() < 1e-6
    assert restored["model.layers.0.mlp.down_proj.weight"].dtype == torch.bfloat16


def test_grouped_heads(tmp_path: Path) -> None:
    """With fewer key and value heads the fused projection has their rows in q, k, v order."""
    source = make_foreign_so8t(tmp_path / "source", kv_heads=2)
    checkpoint = inspect(source)
    restored = load_file(restore(checkpoint, tmp_path / "restored", "cayley") / "model.safetensors")
    stored = load_file(source / "model.safetensors")
    qkv = restored["model.layers.0.self_attn.qkv_proj.weight"]
    assert qkv.shape == (512, 256)
    parts = [stored[f"model.layers.0.self_attn.{letter}_proj.weight"] for letter in "qkv"]
    assert torch.equal(qkv, torch.cat(parts))


def test_description_of_the_gates(made: Callable[[str], Path]) -> None:
    """chat.json's so8t entry: number of gates, rotation, largest angle."""
    checkpoint = inspect(made("foreign"))
    found = describe_gates(checkpoint, "exp")
    largest = max(
        np.abs(np.angle(np.linalg.eigvals(gate_rotations(checkpoint, layer, "exp")))).max() for layer in range(2)
    )
    assert found == {"gates": 2, "layers": "0-1", "rotation": "exp", "largest_angle": pytest.approx(largest)}


def test_code_in_the_checkpoint_never_runs(tmp_path: Path) -> None:
    """Neither inspecting nor converting imports the checkpoint's Python file."""
    source = make_foreign_so8t(tmp_path / "source")
    for name in ("output", "scratch"):
        (tmp_path / name).mkdir()
    conversion = Conversion(source, "model_a", ("f16",))
    convert(conversion, tmp_path / "output", tmp_path / "scratch", kept_in(tmp_path / "store"))
    assert not list(tmp_path.rglob("executed.marker"))
    assert not [path for path in tmp_path.rglob("*.py") if path.parent != source]
    exec((source / "modeling_phi3_so8t.py").read_text(), {"__file__": str(source / "x.py")})
    assert (source / "executed.marker").is_file()  # it would have, had it been imported


def test_gates_in_some_layers(tmp_path: Path) -> None:
    """Only the named layers' o_proj is folded; the others keep their bytes, and a gate elsewhere is refused."""
    source = make_foreign_so8t(tmp_path / "source", layers=3, gated=[1])
    checkpoint = inspect(source, "1")
    assert describe_gates(checkpoint, "exp")["layers"] == "1"
    restored = load_file(restore(checkpoint, tmp_path / "restored", "exp") / "model.safetensors")
    stored = load_file(source / "model.safetensors")
    folded = {f"model.layers.{i}.self_attn.o_proj.weight" for i in range(3)}
    changed = {name for name in folded if not torch.equal(restored[name], stored[name])}
    assert changed == {"model.layers.1.self_attn.o_proj.weight"}
    with pytest.raises(InputError, match=r"missing from the weights.*layers.0.self_attn.so8t_rotation_gate"):
        inspect(source)
    with pytest.raises(InputError, match=r"unknown.*layers.1.self_attn.so8t_rotation_gate|missing"):
        inspect(source, "2")
    with pytest.raises(ConfigError):
        inspect(source, "3")
