"""Matrix products of frozen layers and their LoRA, with fewer and faster steps than PEFT's.

    y = x W^T + s (x A^T) B^T

To scale and to add, PEFT makes further tensors as large as y, forward and backward. Here s multiplies the narrow
x A^T, and both narrow products add to what the wide ones made. Modules and parameters stay PEFT's.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

_LARGE = 1 << 27
"""Multiplications from which oneDNN's product pays: for each new shape it first compiles for a millisecond."""


def speed_up(model: nn.Module) -> None:
    """Replace the products of a causal language model's LoRA layers and its head.

    Layers with a quantized or trained base, or with dropout, stay as they are.
    """
    from peft.tuners.lora import Linear

    for module in model.modules():
        if isinstance(module, Linear) and _is_frozen(module.base_layer) and _is_plain(module):
            module.forward = partial(_adapted, module, *module.active_adapters)
    head: Any = getattr(model, "lm_head", None)
    if _is_frozen(head):
        head.forward = partial(_frozen, head)


def _is_frozen(module: Any) -> bool:
    return type(module) is nn.Linear and not module.weight.requires_grad


def _is_plain(module: Any) -> bool:
    (name,) = module.active_adapters
    return isinstance(module.lora_dropout[name], nn.Identity) and not module.lora_variant


def _frozen(layer: nn.Linear, x: Tensor) -> Tensor:
    made: Tensor = _Frozen.apply(_flat(x, layer), layer.weight, layer.bias)
    return made.view(*x.shape[:-1], -1)


def _adapted(module: Any, name: str, x: Tensor) -> Tensor:
    base, lora = module.base_layer, (module.lora_A[name].weight, module.lora_B[name].weight)
    made: Tensor = _Adapted.apply(_flat(x, base), base.weight, base.bias, *lora, module.scaling[name])
    return made.view(*x.shape[:-1], -1)


def _flat(x: Tensor, layer: nn.Linear) -> Tensor:
    return x.reshape(-1, x.shape[-1]).to(layer.weight.dtype)


class _Frozen(torch.autograd.Function):  # type: ignore[misc]
    """x W^T + bias for x [T, in] in the type of W."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        return _product(gradient, weight.T), None, None


class _Adapted(torch.autograd.Function):  # type: ignore[misc]
    """x W^T + bias + s (x A^T) B^T for x [T, in] in the type of W."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        narrow = linear(x, a.to(x.dtype)).mul_(scale)
        ctx.save_for_backward(x, weight, a, b, narrow)
        ctx.scale = scale
        return _product(x, weight, bias).addmm_(narrow, b.to(x.dtype).T)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, narrow = ctx.saved_tensors
        back = (gradient @ b.to(x.dtype)).mul_(ctx.scale)
        gradient_a, gradient_b = back.T @ x, (narrow.T @ gradient).T  # twice as fast as gradient.T @ narrow
        gradient_x = None
        if ctx.needs_input_grad[0]:
            gradient_x = _product(gradient, weight.T).addmm_(back, a.to(x.dtype))
        return gradient_x, None, None, gradient_a.to(a.dtype), gradient_b.to(b.dtype), None


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W^T + bias; in fp32 on a CPU oneDNN takes less time than the BLAS behind torch's own product."""
    if x.dtype == torch.float32 and x.device.type == "cpu" and len(x) * weight.numel() >= _LARGE and _ONEDNN:
        made: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return made
    return linear(x, weight, bias)


_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
