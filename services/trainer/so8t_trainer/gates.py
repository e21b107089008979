"""SO8T gates: learned rotations of the attention output, before `o_proj` (y = W (x R)).

The gates are forward pre-hooks on `o_proj`, which may be a plain, LoRA-wrapped or 8-bit linear layer, so they
leave the module names of the model and PEFT unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from so8t_shared.config.layers import ALL, chosen_layers
from so8t_shared.config.values import Rotation
from so8t_shared.models import rotation as so8

GATE = "so8t_gate"
_GROUPED = 2
"""Blocks that one product rotates, at most."""
_ROWS, _COLUMNS = (torch.from_numpy(index) for index in np.triu_indices(so8.BLOCK, k=1))


class GateBank:
    """The gates of all layers, with one batched rotation for all.

    Call `refresh` after each change of the parameters, then run any number of forward and backward
    passes, then call `collect_gradients` before the optimizer's step. The exponential and its
    derivative are thus computed only once, however many passes the step accumulates.
    """

    def __init__(self, widths: dict[int, int], rotation: Rotation, device: torch.device | None = None) -> None:
        """`widths` maps the layer number to the input width D of its `o_proj`.

        Raises:
            InputError: a width is not divisible by 8.
        """
        self.rotation = rotation
        blocks = {layer: so8.blocks_of(width, f"layer {layer}, o_proj") for layer, width in widths.items()}
        self.parameters = {
            layer: nn.Parameter(torch.zeros(count, so8.PARAMETERS_PER_BLOCK, device=device))
            for layer, count in blocks.items()
        }
        """[D/8, 28] per layer, fp32."""
        self._blocks = list(blocks.values())
        self._source: Tensor | None = None
        self._leaf: Tensor | None = None
        self._by_layer: dict[int, Tensor] = {}

    def to(self, device: torch.device) -> None:
        """Move the gates to a device, in place."""
        for parameter in self.parameters.values():
            parameter.data = parameter.data.to(device)
        self.refresh()

    def refresh(self) -> None:
        """Compute the rotations from the current parameters."""
        self._source = rotations(skew(torch.cat(list(self.parameters.values()))), self.rotation)
        self._leaf = self._source.detach().requires_grad_(torch.is_grad_enabled())
        self._by_layer = dict(zip(self.parameters, self._leaf.split(self._blocks), strict=True))

    def collect_gradients(self) -> None:
        """Propagate the gradients of all passes since `refresh` to the parameters."""
        if self._source is None or self._leaf is None or self._leaf.grad is None:
            return
        self._source.backward(self._leaf.grad)
        self._source = None

    def rotate(self, layer: int, x: Tensor) -> Tensor:
        """Return x R for x [..., D], computed in fp32, in the dtype of x."""
        blocks = self._by_layer[layer]
        with torch.autocast(x.device.type, enabled=False):
            wide = _block_diagonal(blocks)
            parts = x.float().reshape(-1, *wide.shape[:2]).transpose(0, 1)
            return torch.bmm(parts, wide).transpose(0, 1).reshape(x.shape).to(x.dtype)

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters by their names in gates.safetensors."""
        return {gate_name(layer): parameter for layer, parameter in self.parameters.items()}


def _block_diagonal(blocks: Tensor) -> Tensor:
    """Return blocks [n, 8, 8] as block-diagonal matrices [n / 2, 16, 16]: products of 8 or 32 columns take longer."""
    count = math.gcd(len(blocks), _GROUPED)
    side_by_side = torch.diag_embed(blocks.reshape(-1, count, so8.BLOCK, so8.BLOCK).permute(0, 2, 3, 1))
    return side_by_side.permute(0, 3, 1, 4, 2).reshape(-1, count * so8.BLOCK, count * so8.BLOCK)


def gate_name(layer: int) -> str:
    """Return the name of a layer's gate in gates.safetensors."""
    return f"model.layers.{layer}.self_attn.{GATE}"


def layer_of(name: str) -> int:
    """Return the layer of a gate by its name in gates.safetensors."""
    return int(name.split(".")[2])


def is_gate(name: str) -> bool:
    """Whether a parameter's name belongs to a gate."""
    return name.endswith(f".{GATE}")


def skew(parameters: Tensor) -> Tensor:
    """Return skew-symmetric S [n, 8, 8] from the upper triangles [n, 28], row by row."""
    upper = parameters.new_zeros(parameters.shape[0], so8.BLOCK, so8.BLOCK)
    upper[:, _ROWS, _COLUMNS] = parameters
    return upper - upper.mT


def rotations(skewed: Tensor, kind: Rotation) -> Tensor:
    """Return R [n, 8, 8]: exp(S), or the Cayley transform (I - S/2)^-1 (I + S/2)."""
    if kind == "exp":
        return torch.matrix_exp(skewed)
    identity = torch.eye(so8.BLOCK, dtype=skewed.dtype, device=skewed.device)
    return torch.linalg.solve(identity - skewed / 2, identity + skewed / 2)


def attach_gates(model: nn.Module, rotation: Rotation, layers: str = ALL) -> GateBank:
    """Put a gate before the `o_proj` of the attention layers of a causal language model, or of those in `layers`.

    Raises:
        InputError: an attention width is not divisible by 8.
        ConfigError: a layer does not exist.
    """
    found = dict(attention_outputs(model))
    total = len(model.model.layers) if hasattr(model, "model") else len(found)
    projections = {layer: found[layer] for layer in chosen_layers(layers, list(found), total)}
    device = next(model.parameters()).device
    bank = GateBank({layer: module.in_features for layer, module in projections.items()}, rotation, device)
    for layer, module in projections.items():
        module.register_forward_pre_hook(_hook(bank, layer))
    bank.refresh()
    return bank


def attention_outputs(model: nn.Module) -> Iterator[tuple[int, Any]]:
    """Yield (layer number, `o_proj`) for each attention layer that has one."""
    layers: Any = getattr(getattr(model, "model", None), "layers", [])
    for number, layer in enumerate(layers):
        projection = getattr(getattr(layer, "self_attn", None), "o_proj", None)
        if projection is not None:
            yield number, projection


def _hook(bank: GateBank, layer: int) -> Any:
    def rotate_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (bank.rotate(layer, inputs[0]), *inputs[1:])

    return rotate_input
