"""The memory formula against the real objective on fake tensors, which have shapes and lifetimes but no values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from bench.training_memory import largest_pass, measured, meta_trainee, predicted, some_rows

from so8t_shared.config.training import Training
from so8t_shared.tables.architectures import BY_NAME, Sizes
from so8t_trainer.memory import MemoryModel, Pass

SIZES: dict[str, Any] = {
    **{"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 4, "num_attention_heads": 8},
    **{"num_key_value_heads": 4, "vocab_size": 8000, "pad_token_id": 0, "tie_word_embeddings": False},
}

UNEQUAL = [*some_rows(1, 800, 200), *some_rows(5, 40, 10)]
"""One long row beside short ones; they share nothing worth computing once."""


@pytest.mark.parametrize(
    ("kind", "dtype", "settings"),
    [
        ("LlamaForCausalLM", torch.float32, {}),
        ("Phi3ForCausalLM", torch.bfloat16, {}),
        ("Phi3ForCausalLM", torch.bfloat16, {"gradient_checkpointing": True}),
        ("Qwen3ForCausalLM", torch.bfloat16, {"so8t": {"layers": "1-2"}}),
        ("LlamaForCausalLM", torch.float32, {"lora": {"r": 16, "dropout": 0.1}}),
        ("Phi3ForCausalLM", torch.bfloat16, {"lora": {"r": 16, "dropout": 0.1}}),
        ("LlamaForCausalLM", torch.float32, {"lora": {"r": 4, "target_modules": ["q_proj", "down_proj"]}}),
        ("LlamaForCausalLM", torch.float32, {"use_full_finetuning": True}),
        ("Phi3ForCausalLM", torch.bfloat16, {"use_full_finetuning": True}),
        ("Phi3ForCausalLM", torch.bfloat16, {"use_full_finetuning": True, "gradient_checkpointing": True}),
    ],
)
def test_the_prediction_is_what_a_pass_takes(kind: str, dtype: torch.dtype, settings: dict[str, Any]) -> None:
    """Weights and gradients to 1 %, the peak of a pass to 10 % above and 3 % below."""
    given = Training(**settings)
    subject = meta_trainee(kind, 4, given, dtype, **SIZES)
    for rows in (some_rows(4, 200, 50, prefix=40), some_rows(4, 200, 50), UNEQUAL):
        weights, peak = measured(subject, given, rows)
        ours, ours_peak = predicted(subject, kind, given, rows)
        assert ours == pytest.approx(weights, rel=0.01)
        assert 0.97 * peak < ours_peak < 1.10 * peak


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tied_head_waits_for_the_embedding(dtype: torch.dtype) -> None:
    """Its gradient, the embedding's and their sum are the peak of a model with a large vocabulary."""
    given, sizes = Training(use_full_finetuning=True), {**SIZES, "vocab_size": 60000, "tie_word_embeddings": True}
    subject = meta_trainee("Qwen3ForCausalLM", 4, given, dtype, **sizes)
    rows = some_rows(2, 100, 25)
    _, peak = measured(subject, given, rows)
    _, ours = predicted(subject, "Qwen3ForCausalLM", given, rows)
    assert 0.95 * peak < ours < 1.10 * peak


def _phi35(**settings: Any) -> MemoryModel:
    sizes = Sizes(3072, 8192, 32, 32, 32, 96, 32064, tied=False, attention_bias=False, mlp_bias=False)
    given = Training(**{"lora": {"r": 16}, **settings})
    bits = "16" if given.base_memory == "auto" else given.base_memory
    return MemoryModel(BY_NAME["Phi3ForCausalLM"], sizes, given, bits, given.gradient_checkpointing is True, 2, "cuda")


def _gib(model: MemoryModel, rows: int, length: int) -> float:
    return model.footprint(Pass(rows * length, rows * length, rows * length // 4)).total / 2**30


def test_the_figures_of_phi35() -> None:
    """What a 12 GB card can hold: 8 rows of 256 need more without checkpointing, and little with it in 8 or 4 bits."""
    assert 16 < _gib(_phi35(), 8, 256) < 19
    assert 13 < _gib(_phi35(gradient_checkpointing=True), 8, 2040) < 17
    eight = _phi35(base_bits=8, gradient_checkpointing=True)
    assert _gib(eight, 1, 1024) < 7
    assert _gib(_phi35(base_bits=4, gradient_checkpointing=True), 1, 1024) < _gib(eight, 1, 1024) - 1.5


def test_each_saving_saves() -> None:
    """Fewer bits, 8-bit moments, fewer gates and shorter passes need less; a longer one more."""
    full = _phi35(use_full_finetuning=True)
    assert _gib(_phi35(use_full_finetuning=True, optimizer="paged_adamw_8bit"), 1, 512) < _gib(full, 1, 512) - 15
    assert _gib(_phi35(so8t={"layers": "4-11"}), 8, 256) < _gib(_phi35(), 8, 256)
    assert _gib(_phi35(), 4, 256) < _gib(_phi35(), 8, 256)
    assert largest_pass(some_rows(3, 20, 5, 10), Training()) == Pass(tokens=40, attended=60, predicted=15, prefix=10)
    dropping = Training.model_validate({"lora": {"dropout": 0.1}})
    assert largest_pass(some_rows(3, 20, 5, 10), dropping) == Pass(tokens=60, attended=60, predicted=15)
