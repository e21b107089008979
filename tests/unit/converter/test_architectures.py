"""Every architecture: transformers saves exactly the tensors that the table expects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers

from so8t_converter.weights import stored_tensors
from so8t_shared.tables.architectures import BY_NAME, architecture_of, sizes_of
from so8t_shared.tables.fixed_by_gguf import FIXED, check_fixed


@pytest.mark.parametrize("name", BY_NAME)
def test_shapes_are_transformers_shapes(made: Callable[[str], Path], name: str) -> None:
    """Names and shapes computed from config.json equal those of a model saved by transformers."""
    folder = made(name)
    config = json.loads((folder / "config.json").read_text())
    sizes = sizes_of(config, folder)
    shapes = architecture_of(config, folder, done="converted").shapes(sizes)
    if sizes.tied:
        del shapes["lm_head.weight"]
    assert shapes == {key: tensor.shape for key, tensor in stored_tensors(folder).items()}


STORED = {
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "head_dim"),
    *("num_key_value_heads", "max_position_embeddings", "original_max_position_embeddings", "rms_norm_eps"),
    *(
        "rope_parameters",
        "sliding_window",
        "use_sliding_window",
        "max_window_layers",
        "layer_types",
        "final_logit_softcapping",
        "tie_word_embeddings",
    ),
    *("attention_bias", "mlp_bias"),  # by the tensors, where llama.cpp has any
}
"""Settings that a GGUF file holds, or that end the exact positions (a window)."""

WITHOUT_EFFECT = {
    *("initializer_range", "use_cache", "pretraining_tp", "attention_dropout", "resid_pdrop", "embd_pdrop"),
    *("pad_token_id", "bos_token_id", "eos_token_id"),
}
"""Settings that change no result of a forward pass; token IDs come from the tokenizer."""


@pytest.mark.parametrize("name", BY_NAME)
def test_every_setting_of_transformers_is_stored_fixed_or_without_effect(name: str) -> None:
    """A setting that a new version of transformers adds must be put in one of the tables."""
    settings = getattr(transformers, name).config_class
    own = {key for key in settings.__annotations__ if not key.startswith("_")} - {"model_type"}
    fixed = {row.key.split(".")[0] for row in FIXED[name]}
    assert own - STORED - WITHOUT_EFFECT - fixed - {"base_config_key"} == set()


@pytest.mark.parametrize("name", BY_NAME)
def test_transformers_own_defaults_pass(name: str, tmp_path: Path) -> None:
    """What a configuration class writes by itself asks for nothing that llama.cpp cannot compute."""
    getattr(transformers, name).config_class().save_pretrained(tmp_path)
    check_fixed(json.loads((tmp_path / "config.json").read_text()), BY_NAME[name], tmp_path / "config.json")
