"""What llama.cpp computes in one way only, although a config.json can ask for another.

Sources: llama.cpp's src/models/*.cpp, load_hparams and load_tensors in src/llama-model.cpp, and its converter; for what
config.json means, transformers' modeling and configuration code. A window of attention is a case of its own, because
both agree on texts that fit in it: see `exact_positions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.tables.architectures import Architecture, Sizes, sizes_of

Settings = Mapping[str, Any]
Values = tuple[Any, ...]


@dataclass(frozen=True)
class Fixed:
    """A setting that GGUF cannot store; a key that is missing or null means what llama.cpp computes."""

    key: str
    """In config.json; "rope.x" is x in the rotary settings, "rope.sliding_attention.x" in those of such layers."""
    computes: str
    """What llama.cpp computes, as it follows "with"."""
    values: Values | Callable[[Sizes, Settings], Values]
    """The values that mean it."""


def _activation(name: str, *values: str) -> tuple[Fixed, ...]:
    return tuple(Fixed(key, f"the activation {name}", values) for key in ("hidden_act", "hidden_activation"))


def _rope(*kinds: str) -> Fixed:
    return Fixed("rope.rope_type", f"rotary scaling {', '.join(kinds[:-1])} or {kinds[-1]}", kinds)


def _without_rope(sizes: Sizes, _: Settings) -> Values:
    return ([int((i + 1) % 4 != 0) for i in range(sizes.layers)],)


def _interval(_: Sizes, settings: Settings) -> Values:
    return (4,) if settings.get("no_rope_layers") is None else (settings["no_rope_layer_interval"],)


def _gemma3_layers(sizes: Sizes, _: Settings) -> Values:
    return ([f"{'sliding' if (i + 1) % 6 else 'full'}_attention" for i in range(sizes.layers)],)


def _gemma3_scale(sizes: Sizes, _: Settings) -> Values:
    """llama.cpp takes a model of 62 layers for the 27B one."""
    return (sizes.hidden // sizes.heads if sizes.layers == 62 else sizes.head,)


def _ratio_of_positions(_: Sizes, settings: Settings) -> Values:
    original = _found(settings, "rope.original_max_position_embeddings")
    original = original or settings.get("original_max_position_embeddings")
    return (settings["max_position_embeddings"] / original,) if original else ()


_SILU = _activation("silu", "silu", "swish")
_GELU = _activation("gelu_pytorch_tanh", "gelu_pytorch_tanh", "gelu_new")
_WHOLE_HEADS = Fixed("rope.partial_rotary_factor", "whole heads rotated", (1,))
_NO_ATTENTION_BIAS = Fixed("attention_bias", "no bias in attention", (False,))
_NO_MLP_BIAS = Fixed("mlp_bias", "no bias in the feed-forward network", (False,))
_QWEN = (*_SILU, _WHOLE_HEADS, _rope("default", "linear", "yarn", "dynamic"))
_LLAMA = (*_SILU, _WHOLE_HEADS, _rope("default", "linear", "yarn", "dynamic", "llama3"))

FIXED: dict[str, tuple[Fixed, ...]] = {
    "LlamaForCausalLM": _LLAMA,
    "MistralForCausalLM": _LLAMA,
    "Qwen2ForCausalLM": _QWEN,
    "Qwen3ForCausalLM": (*_QWEN, _NO_ATTENTION_BIAS),
    "SmolLM3ForCausalLM": (
        *_QWEN,
        _NO_ATTENTION_BIAS,
        _NO_MLP_BIAS,
        Fixed("no_rope_layers", "no rotation in every fourth layer", _without_rope),
        Fixed("no_rope_layer_interval", "no rotation in every fourth layer", _interval),
    ),
    "Phi3ForCausalLM": (
        *_SILU,
        _rope("default", "longrope", "su", "yarn"),
        Fixed("rope.factor", "the ratio of both max_position_embeddings as the scale", _ratio_of_positions),
        Fixed("rope.attention_factor", "an attention factor that follows from the scale", ()),
        Fixed("head_dim", "heads as wide as hidden_size / num_attention_heads", lambda s, _: (s.hidden // s.heads,)),
    ),
    "Gemma3ForCausalLM": (
        *_GELU,
        _WHOLE_HEADS,
        _rope("default", "linear"),
        _NO_ATTENTION_BIAS,
        Fixed("layer_types", "full attention in every sixth layer alone", _gemma3_layers),
        Fixed("sliding_window_pattern", "full attention in every sixth layer alone", (6,)),
        Fixed("query_pre_attn_scalar", "attention scaled by the width of a head", _gemma3_scale),
        Fixed("rope_local_base_freq", "the rotary base 10000 in layers with a window", (10000,)),
        Fixed("rope.sliding_attention.rope_theta", "the rotary base 10000 in layers with a window", (10000,)),
        Fixed("rope.sliding_attention.rope_type", "no rotary scaling in layers with a window", ("default",)),
        Fixed("attn_logit_softcapping", "attention logits as they are", ()),
        Fixed("use_bidirectional_attention", "attention to earlier tokens alone", (False,)),
    ),
}
"""By architecture. Dynamic scaling changes nothing within max_position_embeddings, where the context of a file ends."""

_DEFAULT_WINDOW = {"MistralForCausalLM": 4096}
"""transformers' window where config.json does not say any."""
_WINDOW_IF_USED = {"Qwen2ForCausalLM", "Qwen3ForCausalLM", "SmolLM3ForCausalLM"}
_WINDOW = {"MistralForCausalLM", "Phi3ForCausalLM"} | _WINDOW_IF_USED
"""Architectures with a window of attention in transformers, but none in llama.cpp."""


def check_fixed(config: Settings, architecture: Architecture, where: Path) -> None:
    """Check that llama.cpp would compute the model in the same way as transformers.

    Raises:
        InputError: config.json sets something that GGUF cannot store; names all such keys.
    """
    faults: dict[str, str] = {}
    remedies = []
    for row in FIXED[architecture.name]:
        found, key = _found(config, row.key), row.key.rpartition(".")[2]
        if found is None:
            continue
        values = row.values if isinstance(row.values, tuple) else row.values(sizes_of(dict(config), where), config)
        if found not in values:
            faults[key] = f"{key} is {found!r}, but llama.cpp computes {architecture.family} with {row.computes}"
            remedies.append(f"with {key} {values[0]!r}" if values else f"without {key}")
    if faults:
        raise InputError(
            f"GGUF cannot store all of config.json: {'; '.join(faults.values())}.",
            where=f"{where}, {'key' if len(faults) == 1 else 'keys'} {', '.join(faults)}",
            remedy=f"use a checkpoint {', '.join(remedies)}",
        )


def exact_positions(config: Settings, architecture: Architecture) -> int | None:
    """Positions on which llama.cpp computes what the checkpoint means: its context, or its window of attention."""
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        return None
    window = config.get("sliding_window", _DEFAULT_WINDOW.get(architecture.name))
    unused = architecture.name in _WINDOW_IF_USED and not config.get("use_sliding_window")
    if architecture.name not in _WINDOW or unused or not isinstance(window, int) or window <= 0:
        return positions
    return min(positions, window)


def _found(config: Settings, key: str) -> Any:
    """Return the value of a key, or None; rotary settings stand in one of two places, by kind of layer or not."""
    head, _, rest = key.partition(".")
    if not rest:
        return config.get(head)
    kind, _, name = rest.rpartition(".")
    for place in (config.get("rope_scaling"), config.get("rope_parameters")):
        if not isinstance(place, dict):
            continue
        settings = place.get(kind or "full_attention", {} if kind else place)
        if isinstance(settings, dict):
            value = settings.get(name, settings.get("type") if name == "rope_type" else None)
            if value is not None:
                return value
    return config.get(name) if name == "partial_rotary_factor" else None
