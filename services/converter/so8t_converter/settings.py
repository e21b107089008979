"""The settings that transformers would read from a config.json, where the file states them all."""

from __future__ import annotations

from typing import Any

from so8t_shared.tables.architectures import architecture_name

_STATED = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "rms_norm_eps"),
)
_ALSO_STATED = {
    "LlamaForCausalLM": (),
    "MistralForCausalLM": (),
    "Qwen2ForCausalLM": (),
    "Qwen3ForCausalLM": ("head_dim",),
    "SmolLM3ForCausalLM": (),
    "Phi3ForCausalLM": ("original_max_position_embeddings",),
}
"""Architectures whose other defaults do not reach a GGUF file, with what else must be stated."""

_COMPUTE_HEAD = {"LlamaForCausalLM", "MistralForCausalLM"}
_ELSEWHERE = ("text_config", "quantization_config", "llm_config", "lm_config", "language_config", "auto_map")


def complete_settings(config: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the converter would get from transformers' AutoConfig, or None if only that can tell.

    Source: transformers 5, PreTrainedConfig.convert_rope_params_to_dict and the architectures' __post_init__.
    """
    name = architecture_name(config) or ""
    stated = (*_STATED, *_ALSO_STATED.get(name, ("nothing is enough",)))
    rope = _rope(config, name)
    if any(config.get(key) is None for key in stated) or any(key in config for key in _ELSEWHERE) or rope is None:
        return None
    settings = {key: value for key, value in config.items() if key not in {"rope_scaling", "rope_theta"}}
    settings["rope_parameters"] = rope
    if name in _COMPUTE_HEAD and config.get("head_dim") is None:
        settings["head_dim"] = config["hidden_size"] // config["num_attention_heads"]
    return settings


def _rope(config: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the rotary settings in transformers 5's form, or None if they are of a kind that is not known here."""
    given = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(given, dict) or any(isinstance(value, dict) for value in given.values()):
        return None
    rope = dict(given)
    rope.setdefault("rope_type", rope.get("type", "default"))
    rope.setdefault("rope_theta", config.get("rope_theta"))
    if config.get("partial_rotary_factor") is not None:
        rope.setdefault("partial_rotary_factor", config["partial_rotary_factor"])
    if rope["rope_type"] == "longrope" and name == "Phi3ForCausalLM":
        rope["original_max_position_embeddings"] = config.get("original_max_position_embeddings")
    elif rope["rope_type"] != "default":
        return None
    return None if rope["rope_theta"] is None else rope
