"""The tensors that each architecture must have are those that transformers saves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from so8t_converter.architectures import SUPPORTED, architecture_of, sizes_of
from so8t_converter.weights import stored_tensors
from so8t_shared.errors import InputError


@pytest.mark.parametrize("name", ["llama", "qwen2", "phi3"])
def test_shapes_are_transformers_shapes(made: Callable[[str], Path], name: str) -> None:
    """Names and shapes computed from config.json equal those of a model saved by transformers."""
    folder = made(name)
    config = json.loads((folder / "config.json").read_text())
    sizes = sizes_of(config, folder)
    shapes = architecture_of(config, folder).shapes(sizes)
    if sizes.tied:
        del shapes["lm_head.weight"]
    assert shapes == {key: tensor.shape for key, tensor in stored_tensors(folder).items()}


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
    shapes = SUPPORTED["LlamaForCausalLM"].shapes(sizes_of(config, Path()))
    biases = {name.split(".")[-2]: shape for name, shape in shapes.items() if name.endswith("bias")}
    assert biases == {
        **{"q_proj": (16,), "k_proj": (16,), "v_proj": (16,), "o_proj": (16,)},
        **{"gate_proj": (32,), "up_proj": (32,), "down_proj": (16,)},
    }


def test_unsupported_architecture_lists_the_supported() -> None:
    """The message names the architecture found and those that work."""
    with pytest.raises(InputError, match="GemmaForCausalLM") as raised:
        architecture_of({"architectures": ["GemmaForCausalLM"]}, Path("config.json"))
    assert all(name in raised.value.remedy for name in SUPPORTED)
    with pytest.raises(InputError, match="names no architecture"):
        architecture_of({}, Path("config.json"))


@pytest.mark.parametrize("value", [None, 0, "64", 1.5, True])
def test_size_must_be_a_positive_whole_number(value: object) -> None:
    """A missing or odd size names its key."""
    with pytest.raises(InputError, match="hidden_size"):
        sizes_of({"num_attention_heads": 2, "hidden_size": value}, Path("config.json"))
