"""Architectures: how config.json names one, and the sizes that shapes follow from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.tables.architectures import BY_NAME, architecture_of, check_assumptions, sizes_of


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


def test_what_llama_cpp_takes_for_granted_is_checked() -> None:
    """Another value of such a key is refused; an absent key is fine."""
    row = replace(BY_NAME["LlamaForCausalLM"], assumes={"every": lambda sizes: 2 * sizes.layers})
    config = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "vocab_size": 8}
    config["num_hidden_layers"] = 2
    check_assumptions(config, row, Path("config.json"))
    check_assumptions({**config, "every": 4}, row, Path("config.json"))
    with pytest.raises(InputError) as raised:
        check_assumptions({**config, "every": 3}, row, Path("config.json"))
    assert raised.value.where.endswith("key every")


@pytest.mark.parametrize("value", [None, 0, "64", 1.5, True])
def test_size_must_be_a_positive_whole_number(value: object, said: Said) -> None:
    """A missing or odd size names its key."""
    with said.raised(InputError):
        sizes_of({"num_attention_heads": 2, "hidden_size": value}, Path("config.json"))


@pytest.mark.parametrize("name", BY_NAME)
def test_another_activation(name: str) -> None:
    """The architecture fixes the activation in llama.cpp, so a checkpoint with another one is refused."""
    row = BY_NAME[name]
    for activation in row.activation:
        check_assumptions({"hidden_act": activation}, replace(row, assumes={}), Path("config.json"))
    for key in ("hidden_act", "hidden_activation"):
        with pytest.raises(InputError, match="relu"):
            check_assumptions({key: "relu"}, row, Path("config.json"))
