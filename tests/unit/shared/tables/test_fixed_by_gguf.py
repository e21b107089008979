"""Settings of config.json that llama.cpp cannot follow are refused, not ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.tables.architectures import BY_NAME, sizes_of
from so8t_shared.tables.fixed_by_gguf import FIXED, Fixed, Values, check_fixed, exact_positions

WHERE = Path("config.json")
CONFIG = {
    **{"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "vocab_size": 8, "num_hidden_layers": 12},
    **{"max_position_embeddings": 4096, "original_max_position_embeddings": 1024},
}
ROWS = [pytest.param(name, row, id=f"{name}-{row.key}") for name, rows in FIXED.items() for row in rows]


def _with(row: Fixed, value: object) -> dict[str, Any]:
    """A configuration with that value, in transformers 5's place for rotary settings."""
    head, _, rest = row.key.partition(".")
    if not rest:
        return {**CONFIG, head: value}
    kind, _, key = rest.rpartition(".")
    return {**CONFIG, "rope_parameters": {kind: {key: value}} if kind else {key: value}}


def _values(row: Fixed) -> Values:
    return row.values if isinstance(row.values, tuple) else row.values(sizes_of(CONFIG, WHERE), CONFIG)


def test_every_architecture_has_its_rows() -> None:
    """One that is added must say what GGUF fixes."""
    assert FIXED.keys() == BY_NAME.keys()


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_only_what_llama_cpp_computes(name: str, row: Fixed) -> None:
    """Its values and an absent or null key pass; any other value is refused, with the key and what is computed."""
    for value in (None, *_values(row)):
        check_fixed(_with(row, value), BY_NAME[name], WHERE)
    with pytest.raises(InputError) as raised:
        check_fixed(_with(row, 7), BY_NAME[name], WHERE)
    assert raised.value.where == f"config.json, key {row.key.rpartition('.')[2]}"
    assert row.computes in raised.value.what


def test_all_settings_at_once(said: Said) -> None:
    """One error names every key that GGUF cannot store."""
    config = {**CONFIG, "hidden_act": "relu", "attention_bias": True, "rope_scaling": {"type": "llama3"}}
    with said.raised(InputError):
        check_fixed(config, BY_NAME["Qwen3ForCausalLM"], WHERE)


@pytest.mark.parametrize(
    ("name", "settings", "fits"),
    [
        ("LlamaForCausalLM", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, True),
        ("LlamaForCausalLM", {"partial_rotary_factor": 0.5}, False),
        ("LlamaForCausalLM", {"rope_scaling": {"type": "longrope"}}, False),
        ("Phi3ForCausalLM", {"partial_rotary_factor": 0.75}, True),
        ("Phi3ForCausalLM", {"rope_scaling": {"type": "su"}}, True),
        ("Phi3ForCausalLM", {"rope_scaling": {"type": "longrope", "factor": 4.0}}, True),
        ("Phi3ForCausalLM", {"rope_scaling": {"type": "longrope", "factor": 32.0}}, False),
        ("SmolLM3ForCausalLM", {"no_rope_layers": [1, 1, 1, 0] * 3, "no_rope_layer_interval": 2}, True),
        ("SmolLM3ForCausalLM", {"no_rope_layer_interval": 2}, False),
        ("Gemma3ForCausalLM", {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}, True),
        ("Gemma3ForCausalLM", {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, False),
        ("Gemma3ForCausalLM", {"num_hidden_layers": 62, "head_dim": 128, "query_pre_attn_scalar": 8}, True),
    ],
)
def test_what_checkpoints_say(name: str, settings: dict[str, Any], fits: bool) -> None:
    """Settings of published models pass, in the places that older versions of transformers used; others do not."""
    if fits:
        check_fixed({**CONFIG, **settings}, BY_NAME[name], WHERE)
        return
    with pytest.raises(InputError):
        check_fixed({**CONFIG, **settings}, BY_NAME[name], WHERE)


@pytest.mark.parametrize(
    ("name", "settings", "positions"),
    [
        ("LlamaForCausalLM", {"sliding_window": 100}, 4096),
        ("Phi3ForCausalLM", {"sliding_window": 2047}, 2047),
        ("Phi3ForCausalLM", {"sliding_window": 262144}, 4096),
        ("Phi3ForCausalLM", {}, 4096),
        ("MistralForCausalLM", {"max_position_embeddings": 32768}, 4096),
        ("MistralForCausalLM", {"max_position_embeddings": 32768, "sliding_window": None}, 32768),
        ("Qwen2ForCausalLM", {"sliding_window": 100, "use_sliding_window": False}, 4096),
        ("Qwen2ForCausalLM", {"sliding_window": 100, "use_sliding_window": True}, 100),
        ("Gemma3ForCausalLM", {"sliding_window": 512}, 4096),
        ("LlamaForCausalLM", {"max_position_embeddings": 0}, None),
    ],
)
def test_positions_that_llama_cpp_computes_exactly(name: str, settings: dict[str, Any], positions: int | None) -> None:
    """A window of attention that llama.cpp ignores ends the context."""
    assert exact_positions({**CONFIG, **settings}, BY_NAME[name]) == positions
