"""What a hand-over does to weights, done to a model in place: the difference that a correct hand-over explains.

A cast to F16 is exact. For so many bits, each block of 32 weights is rounded to the nearest of 2^bits levels between
its least and its largest value, the plainest way; the kernels of llama.cpp choose their levels at least as well. As in
llama.cpp, what a product multiplies the weights with is cast or rounded too: to F16, or to 8 bits in blocks of 32.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

_BLOCK = 32
_CASTS = {"f16": torch.float16, "bf16": torch.bfloat16}
_HEAD_BITS = 6
"""Of the output, which every mixture keeps at Q6_K or better."""
_INPUT_BITS = 8


class Rounded:
    """A model whose linear layers are rounded, ever more coarsely."""

    def __init__(self, model: Any) -> None:
        self._head = model.get_output_embeddings()
        self._layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        self._hooks: list[Any] = []

    def to(self, rounding: str) -> None:
        """Round weights to a row of `rungs.ROUNDINGS` that is coarser than those before."""
        self.undo_inputs()
        for layer in self._layers:
            bits = "6" if layer is self._head and rounding.isdigit() and int(rounding) < _HEAD_BITS else rounding
            layer.weight.data = rounded(layer.weight.data, bits)
        inputs = partial(_round_input, rounding if rounding in _CASTS else str(_INPUT_BITS))
        self._hooks = [layer.register_forward_pre_hook(inputs) for layer in self._layers]

    def undo_inputs(self) -> None:
        """Leave what comes into the layers as it is."""
        while self._hooks:
            self._hooks.pop().remove()


def rounded(values: Tensor, rounding: str) -> Tensor:
    """Return values [..., d] rounded along their last dimension, in their type."""
    if rounding in _CASTS:
        kind = _CASTS[rounding]
        most = torch.finfo(kind).max
        return values.clamp(-most, most).to(kind).to(values.dtype)
    if values.shape[-1] % _BLOCK:
        return values
    blocks = values.float().reshape(*values.shape[:-1], -1, _BLOCK)
    least = blocks.amin(dim=-1, keepdim=True)
    step = (blocks.amax(dim=-1, keepdim=True) - least) / (2 ** int(rounding) - 1)
    levels = torch.where(step > 0, (blocks - least) / step, 0).round_()
    return (levels * step + least).reshape(values.shape).to(values.dtype)


def _round_input(rounding: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (rounded(inputs[0], rounding), *inputs[1:])
