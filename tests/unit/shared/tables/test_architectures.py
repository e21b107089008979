"""Architectures: how config.json names one, and the sizes that shapes follow from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.tables.architectures import BY_NAME, architecture_of, sizes_of


def test_biases_are_expected_where_the_config_has_them() -> None:
    """attention_bias and mlp_bias add a bias to each projection of Llama."""
    config = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 8,
        "attention_bias": True,
        "mlp_bias": True,
    }
    shapes = BY_NAME["LlamaForCausalLM"].shapes(sizes_of(config, Path()))
    biases = {name.split(".")[-2]: shape for name, shape in shapes.items() if name.endswith("bias")}
    assert biases == {
        **{"q_proj": (16,), "k_proj": (16,), "v_proj": (16,), "o_proj": (16,)},
        **{"gate_proj": (32,), "up_proj": (32,), "down_proj": (16,)},
    }


def test_unsupported_architecture_lists_the_supported(said: Said) -> None:
    """The message names the architecture found and the supported ones."""
    with said.raised(InputError) as raised:
        architecture_of({"architectures": ["GemmaForCausalLM"]}, Path("config.json"), done="converted")
    assert all(name in raised.value.remedy for name in BY_NAME)
    with said.raised(InputError):
        architecture_of({}, Path("config.json"), done="converted")


@pytest.mark.parametrize("value", [None, 0, "64", 1.5, True])
def test_size_must_be_a_positive_whole_number(value: object, said: Said) -> None:
    """A missing or odd size names its key."""
    with said.raised(InputError):
        sizes_of({"num_attention_heads": 2, "hidden_size": value}, Path("config.json"))
