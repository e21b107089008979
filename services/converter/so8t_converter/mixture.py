"""Which tensor gets which type: llama-quantize's rules for Q8_0 and Q4_K_M.

Source: llama.cpp, src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type_impl,
tensor_type_fallback), for architectures without experts. Types are GGML's names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from so8t_shared.config.values import Quantization

BLOCK_SIZES = {"F32": 1, "F16": 1, "Q8_0": 32, "Q5_0": 32, "Q5_1": 32, "Q4_K": 256, "Q5_K": 256, "Q6_K": 256}
"""Values of a row that are quantised together; a row must be a whole number of blocks."""

_FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
_LAYER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True)
class TensorShape:
    """A tensor of the F16 file."""

    name: str
    shape: tuple[int, ...]
    """Rows first, the row's length last."""
    type: str


def in_file_order(names: Sequence[str]) -> list[str]:
    """Names as llama-quantize orders them: outside the layers first, then layer by layer."""
    return sorted(names, key=lambda name: (_layer(name), name))


def target_types(tensors: Sequence[TensorShape], quantization: Quantization, *, is_70b: bool = False) -> dict[str, str]:
    """Type of each tensor by name, in the order of the file.

    `is_70b` says whether llama.cpp counts the model among its 70B ones, in which many query heads share a
    small attn_v: that gets one step more bits.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    layers = 1 + max((_layer(tensor.name) for tensor in tensors), default=0)
    tied = "output.weight" not in by_name
    types: dict[str, str] = {}
    for name in in_file_order(list(by_name)):
        tensor = by_name[name]
        if quantization == "f16" or not _is_quantized(tensor):
            types[name] = tensor.type
        elif quantization == "q8_0":
            types[name] = _fitting("Q8_0", tensor)
        else:
            types[name] = _fitting(_q4_k_m(name, layers, tied=tied, is_70b=is_70b), tensor)
    return types


def _q4_k_m(name: str, layers: int, *, tied: bool, is_70b: bool) -> str:
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        return "Q6_K"
    is_value = "attn_v.weight" in name or "attn_qkv.weight" in name
    if (is_value or "ffn_down" in name) and _more_bits(_layer(name), layers):
        return "Q6_K"
    if is_value and is_70b:
        return "Q5_K"
    return "Q4_K"


def _more_bits(i: int, n: int) -> bool:
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def _is_quantized(tensor: TensorShape) -> bool:
    is_weight = tensor.name.endswith("weight") and "_norm.weight" not in tensor.name
    return is_weight and len(tensor.shape) >= 2


def _fitting(wanted: str, tensor: TensorShape) -> str:
    """`wanted`, or the type that a row of this length falls back to."""
    length = tensor.shape[-1]
    if length % BLOCK_SIZES[wanted]:
        wanted = _FALLBACKS.get(wanted, "F16")
    return wanted if length % BLOCK_SIZES[wanted] == 0 else "F16"


def _layer(name: str) -> int:
    match = _LAYER.match(name)
    return int(match.group(1)) if match else -1
