"""Architectures that can be trained and converted, and the tensors that each must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError

Shapes = dict[str, tuple[int, ...]]

FOREIGN_SO8T = "SO8TPhi3ForCausalLM"
"""Architecture name of the original project's checkpoints; converted to Phi3ForCausalLM, never trained."""


@dataclass(frozen=True)
class Sizes:
    """The sizes that determine all tensor shapes."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    """Width of one attention head."""
    vocabulary: int
    tied: bool
    """Whether the output projection is the embedding."""
    attention_bias: bool
    mlp_bias: bool

    @property
    def attention(self) -> int:
        """Width of the attention output, o_proj's input: heads x head size."""
        return self.heads * self.head


@dataclass(frozen=True)
class Architecture:
    """One supported architecture."""

    name: str
    """As in config.json."""
    family: str
    """Display name. It matters: llama.cpp recognizes Phi-3's tokenizer by this name."""
    layer: Callable[[Sizes], Shapes]
    """Shapes of one layer's tensors, named without the layer's prefix."""
    family_with_bpe: str = ""
    """The family's name with a byte-level BPE tokenizer, if different."""

    def shapes(self, sizes: Sizes) -> Shapes:
        """Shapes of all tensors by name, including lm_head.weight even if it is tied."""
        shapes: Shapes = {
            "model.embed_tokens.weight": (sizes.vocabulary, sizes.hidden),
            "model.norm.weight": (sizes.hidden,),
            "lm_head.weight": (sizes.vocabulary, sizes.hidden),
        }
        layer = self.layer(sizes)
        for i in range(sizes.layers):
            shapes.update({f"model.layers.{i}.{name}": shape for name, shape in layer.items()})
        return shapes


def _norms(sizes: Sizes) -> Shapes:
    return {"input_layernorm.weight": (sizes.hidden,), "post_attention_layernorm.weight": (sizes.hidden,)}


def split_qkv(sizes: Sizes, *, bias: bool) -> Shapes:
    """Shapes of separate q, k and v projections."""
    shapes: Shapes = {}
    for letter, heads in (("q", sizes.heads), ("k", sizes.kv_heads), ("v", sizes.kv_heads)):
        shapes[f"self_attn.{letter}_proj.weight"] = (heads * sizes.head, sizes.hidden)
        if bias:
            shapes[f"self_attn.{letter}_proj.bias"] = (heads * sizes.head,)
    return shapes


def _llama_layer(sizes: Sizes, *, qkv_bias: bool | None = None) -> Shapes:
    bias = sizes.attention_bias if qkv_bias is None else qkv_bias
    shapes = _norms(sizes) | split_qkv(sizes, bias=bias)
    shapes["self_attn.o_proj.weight"] = (sizes.hidden, sizes.attention)
    if sizes.attention_bias:
        shapes["self_attn.o_proj.bias"] = (sizes.hidden,)
    for name, shape in (
        ("gate", (sizes.intermediate, sizes.hidden)),
        ("up", (sizes.intermediate, sizes.hidden)),
        ("down", (sizes.hidden, sizes.intermediate)),
    ):
        shapes[f"mlp.{name}_proj.weight"] = shape
        if sizes.mlp_bias:
            shapes[f"mlp.{name}_proj.bias"] = (shape[0],)
    return shapes


def _qwen2_layer(sizes: Sizes) -> Shapes:
    return _llama_layer(sizes, qkv_bias=True)


def _qwen3_layer(sizes: Sizes) -> Shapes:
    norms = {f"self_attn.{letter}_norm.weight": (sizes.head,) for letter in "qk"}
    return _llama_layer(sizes) | norms


def _gemma3_layer(sizes: Sizes) -> Shapes:
    around = ("pre_feedforward_layernorm", "post_feedforward_layernorm")
    return _qwen3_layer(sizes) | {f"{name}.weight": (sizes.hidden,) for name in around}


def _phi3_layer(sizes: Sizes) -> Shapes:
    return {
        **_norms(sizes),
        "self_attn.qkv_proj.weight": ((sizes.heads + 2 * sizes.kv_heads) * sizes.head, sizes.hidden),
        "self_attn.o_proj.weight": (sizes.hidden, sizes.attention),
        "mlp.gate_up_proj.weight": (2 * sizes.intermediate, sizes.hidden),
        "mlp.down_proj.weight": (sizes.hidden, sizes.intermediate),
    }


ROWS: tuple[Architecture, ...] = (
    Architecture("LlamaForCausalLM", "Llama", _llama_layer),
    Architecture("Qwen2ForCausalLM", "Qwen2", _qwen2_layer),
    Architecture("Qwen3ForCausalLM", "Qwen3", _qwen3_layer),
    Architecture("Gemma3ForCausalLM", "Gemma 3", _gemma3_layer),
    Architecture("Phi3ForCausalLM", "Phi-3", _phi3_layer, family_with_bpe="Phi-4"),
    Architecture("MistralForCausalLM", "Mistral", _llama_layer),
    Architecture("SmolLM3ForCausalLM", "SmolLM3", _llama_layer),
)

BY_NAME = {row.name: row for row in ROWS}
PHI3 = BY_NAME["Phi3ForCausalLM"]


def architecture_name(config: dict[str, Any]) -> str | None:
    """The architecture that config.json names first, or None."""
    names = config.get("architectures")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None


def architecture_of(config: dict[str, Any], where: Path, *, done: str) -> Architecture:
    """The architecture that config.json names; `done` is the operation for the error, "converted" or "trained".

    Raises:
        InputError: config.json names none, or an unsupported one.
    """
    name = architecture_name(config)
    if name in BY_NAME:
        return BY_NAME[name]
    raise InputError(
        f"The architecture {name} cannot be {done}." if name else "config.json names no architecture.",
        where=f"{where}, key architectures",
        remedy=f"use a checkpoint of one of: {', '.join(BY_NAME)}",
    )


def sizes_of(config: dict[str, Any], where: Path) -> Sizes:
    """The sizes in config.json, with transformers' defaults for optional keys.

    Raises:
        InputError: a size is missing or not a positive whole number.
    """

    def size(key: str, default: int | None = None) -> int:
        value = config.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise InputError(
                f"config.json has no usable {key}: {value!r} is not a positive whole number.",
                where=f"{where}, key {key}",
                remedy="restore the model's original config.json",
            )
        return value

    hidden, heads = size("hidden_size"), size("num_attention_heads")
    return Sizes(
        hidden=hidden,
        intermediate=size("intermediate_size"),
        layers=size("num_hidden_layers"),
        heads=heads,
        kv_heads=size("num_key_value_heads", heads),
        head=size("head_dim", hidden // heads),
        vocabulary=size("vocab_size"),
        tied=bool(config.get("tie_word_embeddings", False)),
        attention_bias=bool(config.get("attention_bias", False)),
        mlp_bias=bool(config.get("mlp_bias", False)),
    )
