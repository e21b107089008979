"""Sizes of GGUF files before they are made, from config.json alone. Imports nothing heavy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import gguf

from so8t_converter.checkpoint import read_config
from so8t_converter.mixture import TensorShape, Traits, target_types
from so8t_shared.config.model import Config
from so8t_shared.tables.architectures import Shapes, Sizes, sizes_of
from so8t_shared.tables.quantizations import BY_NAME, Quantization

_TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt")
_OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight"}
_LAYER = re.compile(r"model\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+?)_proj\.(\w+)")
_KINDS = {
    **{"q": "attn_q", "k": "attn_k", "v": "attn_v", "qkv": "attn_qkv", "o": "attn_output"},
    **{"gate": "ffn_gate", "up": "ffn_up", "gate_up": "ffn_up", "down": "ffn_down"},
}
"""Names in GGUF of a layer's projections."""


def sizes_a(config: Config) -> dict[Quantization, int]:
    """Return the bytes of each file that convert-a makes; empty if model A is not on this host."""
    folder, has_imatrix = Path(config.model_a.base_model), config.gguf.imatrix is not None
    return file_sizes(folder, config.gguf.quantizations, has_imatrix=has_imatrix) if folder.is_dir() else {}


def sizes_b(config: Config) -> dict[str, int]:
    """Return the bytes of each file that convert-b makes; empty if model B, or its base, is not on this host."""
    if config.served_b:
        return {}
    if config.gguf_b:
        path = Path(config.gguf_b)
        return {config.gguf.primary_quantization: path.stat().st_size} if path.is_file() else {}
    folder, gguf = Path(config.base_of_b.base_model), config.gguf
    if not folder.is_dir():
        return {}
    sizes: dict[str, int] = {**file_sizes(folder, gguf.of_b, has_imatrix=gguf.imatrix is not None)}
    for each in gguf.made_apart:
        sizes |= {each.name: file_sizes(folder, [each.quantization], has_imatrix=each.imatrix)[each.quantization]}
    return sizes


def file_sizes(
    folder: Path, quantizations: Iterable[Quantization], *, has_imatrix: bool = False
) -> dict[Quantization, int]:
    """Return the bytes of each file that a conversion of this checkpoint makes.

    Raises:
        InputError: it cannot be converted.
    """
    shapes, sizes = _shapes(folder)
    vocabulary = sum(path.stat().st_size for name in _TOKENIZER if (path := folder / name).is_file())
    traits = Traits(heads_per_value=sizes.heads // sizes.kv_heads, has_imatrix=has_imatrix)
    return {name: vocabulary + _tensor_bytes(shapes, traits, name) for name in dict.fromkeys(quantizations)}


def row_lengths(folder: Path) -> dict[str, int]:
    """Return the columns of each matrix of a checkpoint, by its name in GGUF.

    Raises:
        InputError: it cannot be converted.
    """
    shapes, _ = _shapes(folder)
    named = [_named(name, shape, "F16") for name, shape in shapes.items() if len(shape) > 1]
    return {tensor.name: tensor.shape[-1] for tensor in named}


def _shapes(folder: Path) -> tuple[Shapes, Sizes]:
    values, architecture = read_config(folder)
    sizes = sizes_of(values, folder / "config.json")
    shapes = architecture.shapes(sizes)
    if sizes.tied:
        del shapes["lm_head.weight"]
    return shapes, sizes


def _tensor_bytes(shapes: Shapes, traits: Traits, quantization: Quantization) -> int:
    row = BY_NAME[quantization]
    weights = row.type if row.from_checkpoint else "F16"
    named = [_named(name, shape, weights) for name, shape in shapes.items()]
    types = target_types(named, quantization, traits)
    return sum(_bytes(tensor.shape, types[tensor.name]) for tensor in named)


def _named(name: str, shape: Sequence[int], weights: str) -> TensorShape:
    """Return the tensor under a name that `mixture` understands; vectors stay in F32."""
    kind = weights if len(shape) > 1 else "F32"
    if match := _LAYER.fullmatch(name):
        layer, projection, part = match.groups()
        return TensorShape(f"blk.{layer}.{_KINDS[projection]}.{part}", tuple(shape), kind)
    return TensorShape(_OUTSIDE.get(name, name), tuple(shape), kind)


def _bytes(shape: Sequence[int], kind: str) -> int:
    values, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    return math.prod(shape) // int(values) * int(size)
