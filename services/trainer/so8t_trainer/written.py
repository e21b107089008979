"""What training will write, from config.json alone. Imports nothing heavy."""

from __future__ import annotations

import math
from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.config.training import Training
from so8t_shared.models.hf_folder import read_json, weight_files
from so8t_shared.models.rotation import BLOCK, PARAMETERS_PER_BLOCK
from so8t_shared.tables.architectures import Shapes, architecture_of, sizes_of

_VALUE_BYTES = 4
"""Trained values, and both of AdamW's moments, are float32."""
_STATES = 3
"""A trained value and its two moments."""
_LAYERS = "model.layers."


def bytes_written(config: Config) -> dict[str, int]:
    """Return the bytes of merged weights, adapter and checkpoints; empty without training or its base here."""
    folder = Path(config.base_of_b.base_model)
    if config.external_b or not folder.is_dir():
        return {}
    path = folder / "config.json"
    values = read_json(path)
    architecture = architecture_of(values, path, done="trained")
    sizes = sizes_of(values, path)
    shapes = architecture.shapes(sizes)
    if sizes.tied:
        del shapes["lm_head.weight"]
    trained = _trained_values(shapes, config.training)
    if config.training.so8t.enabled:
        trained += sizes.layers * sizes.attention // BLOCK * PARAMETERS_PER_BLOCK
    checkpoint = trained * (_STATES + config.training.keeps_best) * _VALUE_BYTES
    at_once = config.training.checkpoints_kept + 1  # the next is written before the oldest goes
    return {
        "merged weights": _merged_bytes(shapes, config.training, folder),
        "adapter and gates": 0 if config.training.use_full_finetuning else trained * _VALUE_BYTES,
        "checkpoints": at_once * checkpoint,
    }


def _trained_values(shapes: Shapes, settings: Training) -> int:
    if settings.use_full_finetuning:
        return sum(map(math.prod, shapes.values()))
    return sum(settings.lora.r * sum(shape) for name, shape in shapes.items() if _is_adapted(name, settings))


def _merged_bytes(shapes: Shapes, settings: Training, base: Path) -> int:
    """Changed tensors become float32; the others keep the base's type."""
    stored = sum(path.stat().st_size for path in weight_files(base)) / sum(map(math.prod, shapes.values()))
    return sum(
        round(math.prod(shape) * (_VALUE_BYTES if _is_changed(name, settings) else stored))
        for name, shape in shapes.items()
    )


def _is_changed(name: str, settings: Training) -> bool:
    if settings.use_full_finetuning or (settings.so8t.enabled and name.endswith("o_proj.weight")):
        return True
    return _is_adapted(name, settings)


def _is_adapted(name: str, settings: Training) -> bool:
    """Whether the tensor is a linear layer that LoRA adapts: by default all of attention and MLP."""
    module = name.removesuffix("_proj.weight")
    if not name.startswith(_LAYERS) or module == name:
        return False
    wanted = settings.lora.target_modules
    return wanted is None or f"{module.rpartition('.')[2]}_proj" in wanted
