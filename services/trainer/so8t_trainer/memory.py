"""Predicts the peak memory of training from the model's sizes. Imports nothing heavy.

Symbols: d hidden, A attention width, I intermediate, V vocabulary, c bytes of the compute type; per pass T tokens,
P attended tokens (each row's shared prefix and own tokens), n predicted tokens.

One layer keeps for its backward pass, in bytes:

    4 d per norm                       norms compute in fp32
    c (sum of adapted inputs)          what LoRA's A multiplies; layers with the same input share it, by PEFT's in fp32
    2 c A, 2 c K (of P + p)            query and attention's output; key and value, K wide (A on CUDA); p shared prefix;
                                       in fp32 on a CPU
    4 A with a gate                    the rotation computes in fp32
    3 c I                              gate and up projections, and the activation

With gradient checkpointing a layer keeps only its input, c d, and one layer at a time is recomputed. Beside the
layers, the peak is the larger of: the end of the forward pass, 8 n V for fp32 logits and log-probabilities and 28 d T
for the smoothness penalty (or 12 n V, if that is more); and a layer's backward pass, 10 I T by PEFT's layers (with
dropout, or on a quantized base), else 3/2 c I T.

If all weights are trained, they and the hidden states between layers are fp32: a layer's input takes 4 d, and a norm
8 d, since its result before the weight is kept as well. A smaller compute type adds c per weight of the linear layers
(autocast's copies, for the whole pass; with checkpointing until the end of the forward pass) and of the head. The
gradient of the head, c V d and 4 V d, is complete before it is added; if it shares its weight with the embedding, it
waits for the embedding's gradient, and the sum makes a third, 12 V d. bench/training_memory.py compares the formula
with the real objective.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from so8t_shared.config.layers import chosen_layers
from so8t_shared.config.training import BaseMemory, Training
from so8t_shared.models.rotation import BLOCK, PARAMETERS_PER_BLOCK
from so8t_shared.tables.architectures import Architecture, Shapes, Sizes

Device = Literal["cpu", "cuda"]

_BASE_BYTES: dict[BaseMemory, float] = {"8": 1, "4": 0.516}
"""Bytes per weight of a decoder layer's linear layers; NF4 has a scale per 64 weights, itself in 8 bits."""
_STATE_BYTES = {32: 8.0, 8: 2.04}
"""AdamW's two moments per trained parameter."""
_ROTATION_BYTES = 64 * 4 * 24
"""Per block: the rotation, its gradient, and the intermediates of the batched exponential and its derivative."""
_PROGRAM_BYTES: dict[Device, int] = {"cpu": 620 << 20, "cuda": 600 << 20}
"""The process with torch and transformers, or the CUDA context and the libraries' workspaces."""
_FRAGMENTATION: dict[Device, float] = {"cpu": 0.05, "cuda": 0.08}
"""What allocators take beyond the bytes in use during a pass, as a share of them."""


@dataclass(frozen=True)
class Pass:
    """The largest forward pass of a training."""

    tokens: int
    """Computed tokens T: the shared prefix and the rows' own tokens."""
    attended: int
    """Sum over the rows of prefix and own tokens, P."""
    predicted: int
    """Completion tokens n."""
    prefix: int = 0
    """Tokens of the shared prefix, p."""


@dataclass(frozen=True)
class Footprint:
    """Predicted bytes at the peak."""

    weights: float
    gradients: float
    """Adapter, gates and all gradients."""
    optimizer: float
    pass_: float
    """Activations, logits and temporary values of the largest pass."""
    program: float
    """Libraries, device context, fragmentation."""

    @property
    def total(self) -> int:
        """Sum of all parts."""
        return math.ceil(self.weights + self.gradients + self.optimizer + self.pass_ + self.program)


@dataclass(frozen=True)
class MemoryModel:
    """The memory of one training; `bits` and `checkpointing` are resolved, not `auto`."""

    architecture: Architecture
    sizes: Sizes
    settings: Training
    bits: BaseMemory
    checkpointing: bool
    compute_bytes: int
    device: Device

    def footprint(self, largest: Pass) -> Footprint:
        """Return the predicted peak for a training whose largest pass is `largest`."""
        parts = self.settings.weight_parts
        return Footprint(
            weights=self._weights / parts + (self._gathered if parts > 1 else 0),
            gradients=self._gradients / parts,
            optimizer=self._trained * _STATE_BYTES[self.settings.optimizer_bits] / parts,
            pass_=self._pass(largest),
            program=_PROGRAM_BYTES[self.device] + self._pass(largest) * _FRAGMENTATION[self.device],
        )

    @cached_property
    def _layer(self) -> Shapes:
        return self.architecture.layer(self.sizes)

    @cached_property
    def _linear(self) -> dict[str, tuple[int, int]]:
        """Shape [out, in] of each linear layer of a decoder layer, by its last name."""
        shapes = {name.removesuffix(".weight").rpartition(".")[2]: shape for name, shape in self._layer.items()}
        return {name: (shape[0], shape[1]) for name, shape in shapes.items() if len(shape) == 2}

    @cached_property
    def _adapted(self) -> dict[str, tuple[int, int]]:
        """The linear layers with a LoRA; in full fine-tuning all, since each keeps its input too."""
        wanted = self.settings.lora.target_modules
        return {name: shape for name, shape in self._linear.items() if not wanted or name in wanted}

    @property
    def _linear_weights(self) -> int:
        """Number of weights of a decoder layer's linear layers."""
        return sum(math.prod(shape) for shape in self._linear.values())

    @property
    def _gates(self) -> int:
        """Number of blocks of all gates."""
        if not self.settings.so8t.enabled:
            return 0
        present = range(self.sizes.layers)
        layers = chosen_layers(self.settings.so8t.layers, present, self.sizes.layers)
        return len(layers) * (self.sizes.attention // BLOCK)

    @cached_property
    def _weights(self) -> float:
        shapes = self.architecture.shapes(self.sizes)
        if self.sizes.tied:
            del shapes["lm_head.weight"]
        total = sum(math.prod(shape) for shape in shapes.values())
        linear = self.sizes.layers * self._linear_weights
        if self.bits == "full":
            return total * 4
        return linear * _BASE_BYTES.get(self.bits, self.compute_bytes) + (total - linear) * self.compute_bytes

    @property
    def _gathered(self) -> float:
        """Return the bytes of whole weights under FSDP2: embedding and head, a layer, and the next one."""
        per_layer = self._linear_weights * (4 if self.bits == "full" else self.compute_bytes)
        return self._weights - (self.sizes.layers - 2) * per_layer

    @cached_property
    def _trained(self) -> int:
        """Number of trained parameters."""
        if self.bits == "full":
            shapes = self.architecture.shapes(self.sizes)
            if self.sizes.tied:
                del shapes["lm_head.weight"]
            return sum(math.prod(shape) for shape in shapes.values()) + self._gates * PARAMETERS_PER_BLOCK
        per_layer = sum(self.settings.lora.r * (rows + columns) for rows, columns in self._adapted.values())
        return self.sizes.layers * per_layer + self._gates * PARAMETERS_PER_BLOCK

    @property
    def _gradients(self) -> float:
        gates = self._gates * (PARAMETERS_PER_BLOCK * 4 + _ROTATION_BYTES)
        new = 0 if self.bits == "full" else self._trained * 4
        return self._trained * 4 + (new or gates)

    def _pass(self, largest: Pass) -> float:
        s, t = self.sizes, largest.tokens
        layer, hidden = self._layer_bytes(largest), 4 if self.bits == "full" else self.compute_bytes
        gated = 4 * s.attention * t * self._gates / (s.attention // BLOCK)
        body = s.layers * hidden * s.hidden * t if self.checkpointing else s.layers * layer + gated
        body += (4 + hidden) * s.hidden * t
        logits = largest.predicted * s.vocabulary
        forward = max(12 * logits, 8 * logits + 28 * s.hidden * t)
        recomputed = layer + 4 * s.attention * t if self.checkpointing else 0.0
        backward = recomputed + self._products() * s.intermediate * t + self._temporary(t)
        if self.bits == "full":
            return self._pass_of_all_weights(body, forward, max(backward, recomputed + self._new_gradient(t)), largest)
        return body + max(forward, backward)

    def _pass_of_all_weights(self, body: float, forward: float, backward: float, largest: Pass) -> float:
        """Return the highest of: both ends of the forward pass, the backward passes of head, layers and embedding."""
        s, small = self.sizes, self.compute_bytes if self.compute_bytes < 4 else 0
        head, copies = s.vocabulary * s.hidden, small * s.layers * self._linear_weights
        kept = body + (0 if self.checkpointing else copies)
        return max(
            body + copies + 3 * self.compute_bytes * s.intermediate * largest.tokens,
            kept + small * head + forward,
            kept + (4 + small) * head + self.compute_bytes * largest.predicted * s.vocabulary,
            kept + (4 * head if s.tied else 0) + backward,
            (12 if s.tied else 4) * head,
        )

    def _new_gradient(self, tokens: int) -> float:
        """Return what a layer adds while the largest weight's gradient is made: the MLP's products are gone by then."""
        c, largest = self.compute_bytes, max(math.prod(shape) for shape in self._linear.values())
        return (4 + (c if c < 4 else 0)) * largest + (8 - 4 * c) * self.sizes.intermediate * tokens

    def _layer_bytes(self, largest: Pass) -> float:
        """Return what a layer without a gate keeps for its backward pass."""
        s, c, t = self.sizes, self.compute_bytes, largest.tokens
        per_value = 8 if self.bits == "full" else 4
        norms = per_value * t * sum(self._norm_width(name) for name in self._layer if name.endswith("norm.weight"))
        kv = s.attention if self.device == "cuda" else s.kv_heads * s.head
        attention = 2 * s.attention * t + 2 * kv * (largest.attended + largest.prefix)
        return norms + t * self._inputs() + (4 if self.device == "cpu" else c) * attention + 3 * c * s.intermediate * t

    def _products(self) -> float:
        """Return the bytes per token and intermediate value that the products of a layer's backward pass need."""
        by_peft = self.bits != "full" and (self.bits in {"8", "4"} or self.settings.lora.dropout)
        return 10 if by_peft else 1.5 * self.compute_bytes

    def _norm_width(self, name: str) -> int:
        heads = {"q_norm": self.sizes.heads, "k_norm": self.sizes.kv_heads}.get(name.split(".")[-2])
        return heads * self.sizes.head if heads else self.sizes.hidden

    def _inputs(self) -> float:
        """Return the bytes per token of the inputs that the linear layers keep."""
        groups: dict[str, list[int]] = {}
        for name, (_, width) in self._adapted.items():
            first = "mlp" if name in {"gate_proj", "up_proj", "gate_up_proj"} else "attention"
            groups.setdefault(name if name in {"o_proj", "down_proj"} else first, []).append(width)
        shared = not self.settings.lora.dropout and (self.compute_bytes == 4 or self.bits not in {"8", "4", "full"})
        inputs = sum(max(widths) if shared else sum(widths) for widths in groups.values()) * self.compute_bytes
        if self.settings.lora.dropout and self.bits != "full":
            mask = 4 if self.device == "cpu" else 1
            inputs += mask * sum(width for _, width in self._adapted.values())
        if self.bits == "8" and self.compute_bytes < 4:  # bitsandbytes keeps the input of each product with the base
            inputs += self.compute_bytes * sum(max(widths) for widths in groups.values())
        return inputs

    def _temporary(self, tokens: int) -> float:
        """Return what a product with a quantized weight needs besides its result."""
        if self.bits not in {"8", "4"}:
            return 0.0
        largest = max(math.prod(shape) for shape in self._linear.values()) * self.compute_bytes
        products = 4 * tokens * max(rows for rows, _ in self._linear.values()) if self.bits == "8" else 0
        return largest + products
