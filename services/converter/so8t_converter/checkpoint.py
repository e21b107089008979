"""Inspects a Hugging Face folder before any work: what it holds, and whether it can be converted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from so8t_converter.plan import Stored
from so8t_converter.tokenizer import check_tokenizer
from so8t_converter.weights import FLOATS, StoredTensor, stored_places, stored_tensors
from so8t_shared.config.layers import ALL, chosen_layers
from so8t_shared.errors import InputError
from so8t_shared.models.chat import Chat, read_chat
from so8t_shared.models.hf_folder import read_json, refuse_quantized
from so8t_shared.models.rotation import BLOCK, blocks_of
from so8t_shared.models.tensor_headers import check_layers
from so8t_shared.tables.architectures import (
    FOREIGN_SO8T,
    PHI3,
    Architecture,
    Shapes,
    Sizes,
    architecture_name,
    architecture_of,
    sizes_of,
    split_qkv,
)
from so8t_shared.tables.fixed_by_gguf import check_fixed

GATE = "self_attn.so8t_rotation_gate.theta"
"""Name of a gate's tensor in a foreign SO8T checkpoint, after the layer's prefix."""

_COMPUTED = ("rotary_emb.inv_freq",)
"""Name endings of tensors that old checkpoints store although they follow from the config."""


@dataclass(frozen=True)
class Checkpoint:
    """An inspected, convertible checkpoint."""

    folder: Path
    config: dict[str, Any]
    architecture: Architecture
    """The ordinary model's architecture; a foreign SO8T checkpoint has Phi-3's."""
    sizes: Sizes
    tensors: dict[str, StoredTensor]
    gated: tuple[int, ...] = ()
    """Layers whose SO8T gates must be folded first."""

    @property
    def foreign(self) -> bool:
        """Whether it is in the original project's format, with gates."""
        return bool(self.gated)

    @cached_property
    def chat(self) -> Chat:
        """How to chat with the model, read on first use, for chat.json and every GGUF file.

        Raises:
            InputError: see `read_chat`.
        """
        return read_chat(self.folder)

    @cached_property
    def places(self) -> dict[str, Stored]:
        """Where each tensor lies in the weight files."""
        return stored_places(self.tensors)

    @property
    def starts(self) -> dict[Path, int]:
        """Where the first tensor of each weight file begins, in bytes."""
        found: dict[Path, int] = {}
        for stored in self.places.values():
            found[stored.path] = min(stored.offset, found.get(stored.path, stored.offset))
        return found

    @property
    def parameters(self) -> int:
        """Number of weights without gates and computed tensors; a tied output counts once."""
        return sum(math.prod(shape) for shape in self.used.values())

    @property
    def used(self) -> Shapes:
        """Shapes of the tensors that the ordinary model uses, by name."""
        shapes = self.architecture.shapes(self.sizes)
        if self.sizes.tied:
            del shapes["lm_head.weight"]
        return shapes


def inspect(folder: Path, layers: str = ALL) -> Checkpoint:
    """Inspect `folder` without reading weights or running anything in it; a foreign one has gates in `layers`.

    Raises:
        InputError: it cannot be converted; the message names the faulty part.
        ConfigError: `layers` names a layer that does not exist.
    """
    if not folder.is_dir():
        raise InputError(
            f"The model folder does not exist: {folder}" if not folder.exists() else f"Not a folder: {folder}",
            where="base_model",
            remedy="set base_model to the path of a downloaded Hugging Face checkpoint",
        )
    config, architecture = read_config(folder)
    sizes = sizes_of(config, folder / "config.json")
    tensors = stored_tensors(folder)
    gated: tuple[int, ...] = ()
    if _is_foreign(config, tensors):
        blocks_of(sizes.attention, where=str(folder / "config.json"))
        gated = tuple(chosen_layers(layers, range(sizes.layers), sizes.layers, key="model_a.so8t.layers"))
    else:
        _refuse_gates(folder, tensors)
    _check_tensors(folder, _expected(architecture, sizes, tensors, gated), sizes, tensors)
    check_tokenizer(folder, sizes.vocabulary)
    return Checkpoint(folder, config, architecture, sizes, tensors, gated)


def read_config(folder: Path) -> tuple[dict[str, Any], Architecture]:
    """Return config.json and the architecture of a folder that is convertible as far as its file names show.

    Raises:
        InputError: it cannot be converted.
    """
    path = folder / "config.json"
    config = read_json(path)
    architecture = PHI3 if _is_named_foreign(config) else architecture_of(config, path, done="converted")
    refuse_quantized(config, path)
    check_layers(config, folder)
    check_fixed(config, architecture, path)
    return config, architecture


def _is_named_foreign(config: dict[str, Any]) -> bool:
    return architecture_name(config) == FOREIGN_SO8T


def _is_foreign(config: dict[str, Any], tensors: dict[str, StoredTensor]) -> bool:
    if _is_named_foreign(config):
        return True
    is_phi3 = architecture_name(config) == PHI3.name
    return bool(config.get("so8t_integrated")) and is_phi3 and any(name.endswith(GATE) for name in tensors)


def _refuse_gates(folder: Path, tensors: dict[str, StoredTensor]) -> None:
    gates = sorted(name for name in tensors if "so8t" in name)
    if gates:
        raise InputError(
            f"The weights still contain {len(gates)} SO8T gate tensors, for example {gates[0]}.",
            where=str(folder),
            remedy="convert the merged folder that training writes, in which the gates are folded into o_proj",
        )


def _expected(
    architecture: Architecture, sizes: Sizes, tensors: dict[str, StoredTensor], gated: tuple[int, ...]
) -> Shapes:
    shapes = architecture.shapes(sizes)
    if not gated:
        return shapes
    shapes.update({f"model.layers.{i}.{GATE}": (sizes.attention // BLOCK, BLOCK, BLOCK) for i in gated})
    for i in range(sizes.layers):
        layer = f"model.layers.{i}."
        if layer + "self_attn.q_proj.weight" in tensors:
            del shapes[layer + "self_attn.qkv_proj.weight"]
            shapes.update({layer + name: shape for name, shape in split_qkv(sizes, bias=False).items()})
    return shapes


def _check_tensors(folder: Path, expected: Shapes, sizes: Sizes, tensors: dict[str, StoredTensor]) -> None:
    optional = {"lm_head.weight"} if sizes.tied else set()
    missing = sorted(set(expected) - set(tensors) - optional)
    if missing:
        raise _mismatch(folder, f"{len(missing)} tensors are missing from the weights", missing)
    unknown = sorted(name for name in set(tensors) - set(expected) if not name.endswith(_COMPUTED))
    if unknown:
        raise _mismatch(folder, f"{len(unknown)} tensors in the weights are unknown", unknown)
    for name, shape in expected.items():
        stored = tensors.get(name)
        if stored is None:
            continue
        if stored.dtype not in FLOATS:
            raise InputError(
                f"The tensor {name} is stored as {stored.dtype}: these weights are quantized.",
                where=str(stored.file),
                remedy="use the full-precision checkpoint",
            )
        if stored.shape != shape:
            raise InputError(
                f"The tensor {name} has the shape {list(stored.shape)}, but config.json says {list(shape)}.",
                where=str(stored.file),
                remedy="use the config.json and the weights of the same model",
            )


def _mismatch(folder: Path, what: str, names: list[str]) -> InputError:
    return InputError(
        f"{what}, for example {', '.join(names[:3])}.",
        where=str(folder),
        remedy="use a complete checkpoint of a supported architecture whose config.json belongs to it",
    )
