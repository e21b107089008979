"""How an original file fits the model into memory: bits, types, optimizer, adapted layers."""

from __future__ import annotations

from typing import Any

from so8t_shared.config.original.row import NoEffectError, OriginalFile
from so8t_shared.config.original.values import flag

_OPTIMIZERS = {
    **dict.fromkeys(("adamw", "adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw_apex_fused"), "adamw"),
    **dict.fromkeys(("adamw_8bit", "adamw_bnb_8bit"), "adamw_8bit"),
    "paged_adamw_8bit": "paged_adamw_8bit",
    **dict.fromkeys(("paged_adamw", "paged_adamw_32bit"), "adamw"),
}


_DTYPES = {
    "float16": "float16",
    "fp16": "float16",
    "half": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float32": "float32",
    "fp32": "float32",
    "auto": "auto",
}


_DTYPE_FLAGS = {
    "training.bf16": "bfloat16",
    "training.fp16": "float16",
    "quantization.use_bf16": "bfloat16",
    "quantization.use_fp16": "float16",
}
"""In the order in which they count; the training's own come before the type in which the checkpoint is loaded."""


_ALL_LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def optimizer(file: OriginalFile, key: str) -> str:
    """The form of AdamW; paging without 8 bits changes no result."""
    value = str(file.values[key]).lower()
    if value not in _OPTIMIZERS:
        raise ValueError(f"{value!r} is not supported; use one of {', '.join(_OPTIMIZERS)}")
    return _OPTIMIZERS[value]


def base_bits(file: OriginalFile, key: str) -> int:
    """The bits of the base: 4 or 8 if a switch is on; 16 if both are off, unless use_qlora asks for 8."""
    on = {
        bits: f"quantization.load_in_{bits}bit"
        for bits in (4, 8)
        if flag(file.get(f"quantization.load_in_{bits}bit", False))
    }
    if len(on) > 1:
        raise ValueError("load_in_8bit and load_in_4bit are both true; set one of them to false")
    for bits, decides in on.items():
        if decides == key:
            return bits
        raise NoEffectError(f"{decides} decides")
    if file.present("training.use_qlora"):
        raise NoEffectError("training.use_qlora in the configuration loads 8 bits")
    return 16


def dtype(file: OriginalFile, key: str) -> str:
    """The type that the training computes in: a switch that is on, or else the checkpoint's."""
    if flag(file.get("training.bf16", False)) and flag(file.get("training.fp16", False)):
        raise ValueError("fp16 and bf16 are both true; set one of them to false")
    on = [name for name in _DTYPE_FLAGS if name in file.values and flag(file.values[name])]
    named = [name for name in ("model.torch_dtype", "model.dtype") if file.get(name)]
    decides = [*on, *named][:1]
    if decides != [key]:
        raise NoEffectError(f"{decides[0]} decides" if decides else "training.dtype chooses by itself")
    value = _DTYPE_FLAGS.get(key) or _DTYPES.get(str(file.values[key]).removeprefix("torch.").lower())
    if value is None:
        raise ValueError(f"{file.values[key]!r} is not one of {', '.join(_DTYPES)}")
    return value


def target_modules(file: OriginalFile, key: str) -> Any:
    """The layers' names; all seven of Llama are all there are, also where a model has some of them fused, as Phi-3."""
    value = file.values[key]
    if value == "all-linear" or (isinstance(value, list) and set(map(str, value)) == _ALL_LINEAR):
        return None
    return value
