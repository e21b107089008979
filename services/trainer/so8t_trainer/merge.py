"""Writes model B as an ordinary checkpoint: LoRA merged into the full-precision base, gates folded.

The base is rewritten tensor by tensor into shards of at most 1 GiB, so it takes the memory of one shard,
and the 8-bit copy that QLoRA trained on is never used. A tensor that training did not change keeps its
bytes; a changed tensor is stored as float32, because rounding it to the base's bfloat16 would lose more
than the subsequent conversion to F16.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from so8t_shared.config.values import Rotation
from so8t_shared.errors import InputError
from so8t_shared.models import rotation as so8
from so8t_shared.models.hf_folder import weight_files
from so8t_shared.models.shards import SHARD_BYTES, ShardWriter

_COPIED = (
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"),
    *("chat_template*", "generation_config.json", "LICENSE*", "NOTICE*"),
)
_LORA_A, _LORA_B = ".lora_A.weight", ".lora_B.weight"
_PEFT_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Changes:
    """The result of training: either a LoRA or replaced weights, and gates."""

    lora: Mapping[str, Tensor] = field(default_factory=dict)
    """Tensors of a PEFT adapter by their names in it."""
    lora_scale: float = 1.0
    """alpha / r."""
    replaced: Mapping[str, Tensor] = field(default_factory=dict)
    """Full fine-tuning: weights by their names in the base."""
    gates: Mapping[str, Tensor] = field(default_factory=dict)
    """Gate parameters [D/8, 28] by their names in gates.safetensors."""
    rotation: Rotation = "exp"

    def apply(self, name: str, weight: Tensor) -> Tensor:
        """Return the trained weight in fp32, or `weight` itself if training did not change it."""
        module = name.removesuffix(".weight")
        trained = self.replaced.get(name)
        if trained is not None and not torch.equal(trained.float(), weight.float()):
            weight = trained.float()
        weight = self._merged(module, weight)
        gate = self.gates.get(module.removesuffix("o_proj") + "so8t_gate")
        if gate is not None and module.endswith("o_proj") and name.endswith(".weight") and bool(gate.any()):
            blocks = so8.rotations(so8.skew_from_parameters(gate.numpy()), self.rotation)
            weight = torch.from_numpy(so8.fold(weight.float().numpy(), blocks))
        return weight

    def _merged(self, module: str, weight: Tensor) -> Tensor:
        a = self.lora.get(f"{_PEFT_PREFIX}{module}{_LORA_A}")
        b = self.lora.get(f"{_PEFT_PREFIX}{module}{_LORA_B}")
        if a is None or b is None or not bool(b.any()):
            return weight
        return weight.float() + self.lora_scale * (b.float() @ a.float())

    def unused(self, applied: set[str]) -> list[str]:
        """Return changed modules without a tensor in the base (`applied`: the base's names)."""
        modules = {name.removesuffix(".weight") for name in applied}
        wanted = {key.removeprefix(_PEFT_PREFIX).removesuffix(_LORA_A).removesuffix(_LORA_B) for key in self.lora}
        wanted |= {key.removesuffix("so8t_gate") + "o_proj" for key in self.gates}
        return sorted(wanted - modules)


def lora_changes(adapter_dir: Path) -> Changes:
    """Load the LoRA from a PEFT adapter folder."""
    config = json.loads((adapter_dir / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = load_file(adapter_dir / "adapter_model.safetensors")
    return Changes(lora=tensors, lora_scale=config["lora_alpha"] / config["r"])


def merge_checkpoint(
    base: Path,
    changes: Changes,
    target: Path,
    on_tensor: Callable[[int, int], None] = lambda done, total: None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write `base` with `changes` applied to the new folder `target`, in files of at most `shard_bytes`.

    `on_tensor` receives the number of tensors done and in total, and may raise to stop.

    Raises:
        InputError: a file of the base cannot be read, or a change has no tensor in the base.
    """
    target.mkdir(parents=True)
    names = {file: _tensor_names(file) for file in weight_files(base)}
    total = sum(map(len, names.values()))
    _refuse_stray(changes, {name for found in names.values() for name in found}, base)
    shards = ShardWriter(target, _save_tensors, shard_bytes)
    done, changed = 0, False
    for file, found in names.items():
        with safe_open(file, framework="pt") as stored:
            for name in found:
                original = stored.get_tensor(name)
                weight = changes.apply(name, original)
                changed = changed or weight is not original
                shards.add(name, weight.contiguous())
                done += 1
                on_tensor(done, total)
    shards.finish()
    _write_config(base, target, changed=changed)
    for pattern in _COPIED:
        for path in sorted(base.glob(pattern)):
            shutil.copyfile(path, target / path.name)


def _refuse_stray(changes: Changes, names: set[str], base: Path) -> None:
    stray = changes.unused(names)
    if stray:
        raise InputError(
            f"The base has no tensor for {len(stray)} trained modules, for example {stray[0]}.",
            where=str(base),
            remedy="use a checkpoint with the tensor names of transformers",
        )


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    save_file(tensors, path, metadata={"format": "pt"})


def save_gates(path: Path, gates: Mapping[str, Tensor], rotation: Rotation) -> None:
    """Write gates.safetensors: one tensor [D/8, 28] fp32 per layer, and their rotation."""
    save_file(dict(gates), path, metadata={"rotation": rotation})  # a second key would be in random order
    path.chmod(0o644)


def gate_blocks(gates: Mapping[str, Tensor], rotation: Rotation) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the rotations [blocks of all layers, 8, 8] in float64, as folded."""
    parameters = torch.cat(list(gates.values())).numpy()
    return so8.rotations(so8.skew_from_parameters(parameters), rotation)


def _tensor_names(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="pt") as file:
            return sorted(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"The file is not a complete safetensors file: {error}",
            where=str(path),
            remedy="download the checkpoint again",
        ) from error


def _write_config(base: Path, target: Path, *, changed: bool) -> None:
    """Write the base's config.json without references to code; dtype is float32 if any tensor changed."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config.pop("auto_map", None)
    if changed:
        config.pop("torch_dtype", None)
        config["dtype"] = "float32"
    (target / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
