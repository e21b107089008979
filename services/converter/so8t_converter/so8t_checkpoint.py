"""Turns a foreign SO8T checkpoint into an ordinary one: gates folded, qkv fused, architecture name restored.

The original project's checkpoints hold one gate in every layer or in some, `so8t_rotation_gate.theta`, split q/k/v
projections, and Python code for transformers to run. None of that code is read here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from so8t_converter.checkpoint import GATE, Checkpoint
from so8t_converter.clean_folder import copy_tokenizer_files, without_code
from so8t_shared.config.layers import compact
from so8t_shared.config.values import Rotation
from so8t_shared.models.rotation import Array, fold, rotation_angle, rotations, skew_from_theta
from so8t_shared.tables.architectures import PHI3

_O_PROJ = "self_attn.o_proj.weight"
_QKV = tuple(f"self_attn.{letter}_proj.weight" for letter in "qkv")


def gate_rotations(checkpoint: Checkpoint, layer: int, rotation: Rotation) -> Array:
    """Return the rotation matrices [D/8, 8, 8] of one layer's gate."""
    theta = _read(checkpoint, f"model.layers.{layer}.{GATE}")
    return rotations(skew_from_theta(theta.astype(np.float64)), rotation)


def describe_gates(checkpoint: Checkpoint, rotation: Rotation) -> dict[str, str | int | float]:
    """Describe the folded gates for chat.json: number of gates, their layers, rotation, largest angle (radians)."""
    angles = [rotation_angle(gate_rotations(checkpoint, layer, rotation)) for layer in checkpoint.gated]
    layers = compact(checkpoint.gated)
    return {"gates": len(angles), "layers": layers, "rotation": rotation, "largest_angle": max(angles)}


def ordinary_files(checkpoint: Checkpoint, target: Path) -> Path:
    """Write the config and tokenizer files of the equivalent ordinary Phi-3 into the empty folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    config = without_code(checkpoint.config)
    config.pop("so8t_integrated", None)
    config["architectures"] = [PHI3.name]
    config["model_type"] = "phi3"
    _write_json(target / "config.json", config)
    copy_tokenizer_files(checkpoint.folder, target)
    return target


def is_stored(checkpoint: Checkpoint, name: str) -> bool:
    """Whether the ordinary model's tensor is the one that the checkpoint stores under this name."""
    return name in checkpoint.tensors and not (name.endswith(_O_PROJ) and _layer(name) in checkpoint.gated)


def ordinary_tensor(checkpoint: Checkpoint, name: str, rotation: Rotation) -> NDArray[np.float32]:
    """Return one tensor of the equivalent ordinary Phi-3 that is not stored as such, in float32."""
    if name.endswith(_O_PROJ):
        return fold(_read(checkpoint, name), gate_rotations(checkpoint, _layer(name), rotation))
    return np.concatenate([_read(checkpoint, f"model.layers.{_layer(name)}.{part}") for part in _QKV])


def _layer(name: str) -> int:
    return int(name.removeprefix("model.layers.").split(".")[0])


def _read(checkpoint: Checkpoint, name: str) -> NDArray[np.float32]:
    values: NDArray[np.float32] = checkpoint.places[name].values().astype(np.float32, copy=False)
    return values.reshape(checkpoint.tensors[name].shape)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
