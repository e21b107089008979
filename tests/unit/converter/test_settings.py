"""What is read from the files alone is what transformers would say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from so8t_converter.checkpoint import inspect
from so8t_converter.clean_folder import clean_folder
from so8t_converter.llama_cpp import plan_of
from so8t_converter.settings import complete_settings
from so8t_converter.vocabulary import plain_tokenizer
from so8t_shared.tables.architectures import BY_NAME

COMPLETE = sorted(set(BY_NAME) - {"Gemma3ForCausalLM"})
OLD = {"rope_theta": 5e5, "rope_scaling": None, "rope_parameters": None, "head_dim": None}
CHANGES: dict[str, dict[str, Any]] = {
    "as transformers 5 saves it": {},
    "as transformers 4 saved it": OLD,
    "a share of each head": OLD | {"partial_rotary_factor": 0.5},
}


def _changed(folder: Path, changes: dict[str, Any], file: str = "config.json") -> Path:
    path = folder / file
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))
    return folder


def _change(name: str, change: str) -> dict[str, Any]:
    """Qwen 3's head size is always stated, since it follows from nothing."""
    return {key: value for key, value in CHANGES[change].items() if name != "Qwen3ForCausalLM" or key != "head_dim"}


def _plan(source: Path, folder: Path) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...], str]]]:
    plan = plan_of(inspect(source), clean_folder(source, folder))
    keys = {key: (item.value, item.type, item.sub_type) for key, item in plan.metadata.items()}
    return keys, [(tensor.name, tensor.shape, tensor.type) for tensor in plan.tensors]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (name, change)
        for name in COMPLETE
        for change in CHANGES
        if name == "Phi3ForCausalLM" or "partial_rotary_factor" not in CHANGES[change]  # the others rotate whole heads
    ],
)
def test_files_say_what_transformers_says(
    made: Callable[[str], Path],
    copy_of: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: str,
) -> None:
    """Metadata and tensors equal what transformers' AutoConfig and AutoTokenizer lead to."""
    source = _changed(copy_of(made(name).name), _change(name, change))
    assert complete_settings(json.loads((source / "config.json").read_text())) is not None
    ours = _plan(source, tmp_path / "ours")
    monkeypatch.setattr("so8t_converter.converter_code.complete_settings", lambda config: None)
    monkeypatch.setattr("so8t_converter.converter_code.plain_tokenizer", lambda folder: None)
    assert ours == _plan(source, tmp_path / "theirs")


@pytest.mark.parametrize(
    "change",
    [
        {"num_key_value_heads": None},
        {"rms_norm_eps": None},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
        {"rope_parameters": {"full_attention": {"rope_theta": 1e4}}},
        {"rope_parameters": None},
        {"architectures": ["Gemma3ForCausalLM"]},
    ],
)
def test_transformers_is_asked_for_the_rest(copy_of: Callable[[str], Path], change: dict[str, Any]) -> None:
    """A key that is not stated, or a kind of scaling that is not known here, is left to transformers."""
    source = _changed(copy_of("llama"), change)
    assert complete_settings(json.loads((source / "config.json").read_text())) is None


def test_llama3_scaling(copy_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Llama 3's frequency factors, which need torch's powers, are in the file."""
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 5e5}
    rope |= {"original_max_position_embeddings": 128}
    _, tensors = _plan(_changed(copy_of("llama"), {"rope_parameters": rope}), tmp_path / "model")
    assert tensors[0] == ("rope_freqs.weight", (32,), "F32")


@pytest.mark.parametrize(
    "change",
    [
        {"eos_token": "a token that no file has"},
        {"tokenizer_class": "LlamaTokenizer"},
        {"additional_special_tokens": ["<|mine|>"]},
        {"added_tokens_decoder": {"0": {"content": "!", "special": True}}},
    ],
)
def test_a_token_that_transformers_would_add(copy_of: Callable[[str], Path], change: dict[str, Any]) -> None:
    """A special token that tokenizer.json lacks, or a class that may add some, is left to transformers."""
    source = copy_of("llama")
    assert plain_tokenizer(source) is not None
    assert plain_tokenizer(_changed(source, change, "tokenizer_config.json")) is None
