"""Architectures that can be trained and converted, and the tensors that each must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    assumes: Mapping[str, Callable[[Sizes], Any]] = field(default_factory=dict)
    """Keys of config.json with the only value that llama.cpp supports; the key may be missing."""
    family_with_bpe: str = ""
    """The family's name with a byte-level BPE tokenizer, if different."""
    activation: tuple[str, ...] = ("silu", "swish")
    """transformers' names of the feed-forward activation that llama.cpp computes for this architecture."""

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


def _every_fourth_without(sizes: Sizes) -> list[int]:
    return [int((i + 1) % 4 != 0) for i in range(sizes.layers)]


_GEMMA3: dict[str, Callable[[Sizes], Any]] = {
    "layer_types": lambda sizes: [f"{'sliding' if (i + 1) % 6 else 'full'}_attention" for i in range(sizes.layers)],
    "query_pre_attn_scalar": lambda sizes: sizes.head,
    "rope_local_base_freq": lambda _: 10000.0,
    "attn_logit_softcapping": lambda _: None,
}
"""The 27B model has a different query_pre_attn_scalar, which llama.cpp infers only from its number of layers."""

_ACTIVATION_KEYS = ("hidden_act", "hidden_activation")
_GELU = ("gelu_pytorch_tanh", "gelu_new")


ROWS: tuple[Architecture, ...] = (
    Architecture("LlamaForCausalLM", "Llama", _llama_layer),
    Architecture("Qwen2ForCausalLM", "Qwen2", _qwen2_layer),
    Architecture("Qwen3ForCausalLM", "Qwen3", _qwen3_layer),
    Architecture("Gemma3ForCausalLM", "Gemma 3", _gemma3_layer, assumes=_GEMMA3, activation=_GELU),
    Architecture("Phi3ForCausalLM", "Phi-3", _phi3_layer, family_with_bpe="Phi-4"),
    Architecture("MistralForCausalLM", "Mistral", _llama_layer),
    Architecture("SmolLM3ForCausalLM", "SmolLM3", _llama_layer, assumes={"no_rope_layers": _every_fourth_without}),
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


def check_assumptions(config: dict[str, Any], architecture: Architecture, where: Path) -> None:
    """Check that llama.cpp would compute the model in the same way as transformers.

    Raises:
        InputError: config.json has an unsupported value for a key in `assumes`, or another activation.
    """
    for key in _ACTIVATION_KEYS:
        if (found := config.get(key)) is not None and found not in architecture.activation:
            raise _unsupported(architecture, key, architecture.activation[0], found, where)
    for key, value_for in architecture.assumes.items():
        if key in config and config[key] != (expected := value_for(sizes_of(config, where))):
            raise _unsupported(architecture, key, expected, config[key], where)


def _unsupported(architecture: Architecture, key: str, expected: Any, found: Any, where: Path) -> InputError:
    return InputError(
        f"llama.cpp supports {architecture.family} only with {key} {expected!r}, not {found!r}.",
        where=f"{where}, key {key}",
        remedy="use a checkpoint with that value; GGUF cannot store another",
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
