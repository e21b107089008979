"""Selects each tensor's type by the quantization's row and the tensor's shape.

Source: llama.cpp, src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type_impl,
tensor_type_fallback), for architectures without experts. Types are GGML's names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gguf

from so8t_shared.tables.quantizations import BY_NAME, Layers, Quantization, Row

_FALLBACKS = {"IQ4_XS": "IQ4_NL", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
_LAYER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True)
class Traits:
    """Facts that the types depend on besides a tensor's name and shape."""

    is_70b: bool = False
    """Whether llama.cpp treats the model as 70B, where many query heads share a small attn_v."""
    heads_per_value: int = 1
    """Query heads that share a value head."""
    has_imatrix: bool = False
    """Whether an importance matrix is used."""


@dataclass(frozen=True)
class TensorShape:
    """A tensor of the F16 file."""

    name: str
    shape: tuple[int, ...]
    """Rows first, row length last."""
    type: str


def in_file_order(names: Sequence[str]) -> list[str]:
    """Return the names in llama-quantize's order: outside the layers first, then layer by layer."""
    return sorted(names, key=lambda name: (_layer(name), name))


def target_types(
    tensors: Sequence[TensorShape], quantization: Quantization, traits: Traits = Traits()
) -> dict[str, str]:
    """Return the type of each tensor by name, in file order."""
    row = BY_NAME[quantization]
    by_name = {tensor.name: tensor for tensor in tensors}
    layers = 1 + max((_layer(tensor.name) for tensor in tensors), default=0)
    output = "output.weight" if "output.weight" in by_name else "token_embd.weight"
    types: dict[str, str] = {}
    for name in in_file_order(list(by_name)):
        tensor = by_name[name]
        if row.from_checkpoint or not _is_quantized(tensor):
            types[name] = tensor.type
        elif name == output:
            types[name] = _fitting(_output_type(row, tensor), tensor)
        else:
            types[name] = _fitting(_wanted(name, row, layers, traits), tensor)
    return types


def _output_type(row: Row, tensor: TensorShape) -> str:
    if row.type == "Q8_0" or tensor.shape[-1] % _block(row.type):
        return "Q8_0"
    return "Q6_K"


def _wanted(name: str, row: Row, layers: int, traits: Traits) -> str:
    is_value = "attn_v.weight" in name or "attn_qkv.weight" in name
    boost = row.values if is_value else row.ffn_down if "ffn_down" in name else None
    wanted = row.type
    applies = boost and boost.imatrix in (None, traits.has_imatrix)
    if boost and applies and _IS_BOOSTED[boost.layers](_layer(name), layers, traits):
        wanted = boost.type
    if is_value and traits.is_70b and wanted == "Q4_K":
        return "Q5_K"
    return wanted


def _more_bits(i: int, n: int, _: Traits) -> bool:
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


_IS_BOOSTED: dict[Layers, Callable[[int, int, Traits], bool]] = {
    "more bits": _more_bits,
    "first eighth": lambda i, n, _: i < n // 8,
    "first four": lambda i, n, _: i < 4,
    "shared heads": lambda i, n, traits: traits.heads_per_value >= 4,
}
"""Arguments: layer, number of layers, traits of the model."""


def _is_quantized(tensor: TensorShape) -> bool:
    is_weight = tensor.name.endswith("weight") and "_norm.weight" not in tensor.name
    return is_weight and len(tensor.shape) >= 2


def _fitting(wanted: str, tensor: TensorShape) -> str:
    """Return `wanted`, or its fallback for this row length."""
    length = tensor.shape[-1]
    if length % _block(wanted):
        wanted = _FALLBACKS.get(wanted, "F16")
    return wanted if length % _block(wanted) == 0 else "F16"


def _block(kind: str) -> int:
    """Return the values per block; a row must be a whole number of blocks."""
    return int(gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][0])


def _layer(name: str) -> int:
    match = _LAYER.match(name)
    return int(match.group(1)) if match else -1
