"""Turns a foreign SO8T checkpoint into an ordinary one: gates folded, qkv fused, architecture name restored.

The original project's checkpoints hold one gate in every layer or in some, `so8t_rotation_gate.theta`, split q/k/v
projections, and Python code for transformers to run. None of that code is read here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from so8t_converter.checkpoint import GATE, Checkpoint
from so8t_converter.clean_folder import copy_tokenizer_files, without_code
from so8t_shared.config.layers import compact
from so8t_shared.config.values import Rotation
from so8t_shared.models.rotation import Array, fold, rotation_angle, rotations, skew_from_theta
from so8t_shared.models.shards import SHARD_BYTES, ShardWriter
from so8t_shared.tables.architectures import PHI3

_O_PROJ = "self_attn.o_proj.weight"
_QKV = tuple(f"self_attn.{letter}_proj.weight" for letter in "qkv")


def gate_rotations(checkpoint: Checkpoint, layer: int, rotation: Rotation) -> Array:
    """Return the rotation matrices [D/8, 8, 8] of one layer's gate."""
    theta = _read(checkpoint, f"model.layers.{layer}.{GATE}")
    return rotations(skew_from_theta(theta.double().numpy()), rotation)


def describe_gates(checkpoint: Checkpoint, rotation: Rotation) -> dict[str, str | int | float]:
    """Describe the folded gates for chat.json: number of gates, their layers, rotation, largest angle (radians)."""
    angles = [rotation_angle(gate_rotations(checkpoint, layer, rotation)) for layer in checkpoint.gated]
    layers = compact(checkpoint.gated)
    return {"gates": len(angles), "layers": layers, "rotation": rotation, "largest_angle": max(angles)}


def restore(
    checkpoint: Checkpoint,
    target: Path,
    rotation: Rotation,
    on_tensor: Callable[[], None] = lambda: None,
    shard_bytes: int = SHARD_BYTES,
) -> Path:
    """Write the equivalent ordinary Phi-3 checkpoint into the empty folder `target`.

    Folded o_proj weights are float32; all others keep their type. Tensors are read one by one and written
    in shards of at most `shard_bytes` (or one tensor), so memory use does not grow with the model.
    """
    target.mkdir(parents=True, exist_ok=True)
    config = without_code(checkpoint.config)
    config.pop("so8t_integrated", None)
    config["architectures"] = [PHI3.name]
    config["model_type"] = "phi3"
    _write_json(target / "config.json", config)
    copy_tokenizer_files(checkpoint.folder, target)
    shards = ShardWriter(target, _save_tensors, shard_bytes)
    for name, tensor in _ordinary_tensors(checkpoint, rotation):
        shards.add(name, tensor.contiguous())
        on_tensor()
    shards.finish()
    return target


def _ordinary_tensors(checkpoint: Checkpoint, rotation: Rotation) -> Iterator[tuple[str, torch.Tensor]]:
    for name in checkpoint.used:
        layer = name.removeprefix("model.layers.").split(".")[0]
        if name.endswith(_O_PROJ) and int(layer) in checkpoint.gated:
            blocks = gate_rotations(checkpoint, int(layer), rotation)
            weight = _read(checkpoint, name).float().numpy()
            yield name, torch.from_numpy(fold(weight, blocks))
        elif name in checkpoint.tensors:
            yield name, _read(checkpoint, name)
        elif name.endswith("qkv_proj.weight"):
            parts = [_read(checkpoint, f"model.layers.{layer}.{part}") for part in _QKV]
            yield name, torch.cat(parts)


def _read(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    with safe_open(checkpoint.tensors[name].file, framework="pt") as file:
        tensor: torch.Tensor = file.get_tensor(name)
    return tensor


def _save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    save_file(tensors, path, metadata={"format": "pt"})


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
