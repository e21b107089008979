"""The products of frozen layers give what PEFT's layers and torch's give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tests.unit.trainer.material import trainee
from torch import Tensor, nn

from so8t_trainer import products

WIDE = 512
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""As a share of the largest value."""


class _Model(nn.Module):
    """A layer with an adapter, and a head."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDE, WIDE, bias=bias)
        self.lm_head = nn.Linear(WIDE, WIDE, bias=False)


def _model(dtype: torch.dtype, **lora: Any) -> Any:
    torch.manual_seed(0)
    settings = {"r": 4, "lora_alpha": 12, "target_modules": ["inner"], "init_lora_weights": False}
    return get_peft_model(_Model(bias=True).to(dtype), LoraConfig(**settings, **lora)).base_model.model


def _results(model: Any, rows: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the outputs for `rows` tokens and the gradients of input and adapter."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, rows, WIDE, generator=generator).to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        inner = model.inner(x)
        outer = model.lm_head(inner)
    outer.float().square().mean().backward()
    adapter = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert len(adapter) == 2
    assert x.grad is not None
    return {"inner": inner.detach(), "outer": outer.detach(), "x": x.grad} | adapter


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", [7, products._LARGE // WIDE**2 + 1], ids=["few", "many"])
def test_results_and_gradients_are_those_of_the_separate_products(rows: int, dtype: torch.dtype) -> None:
    """By torch's product and by oneDNN's, to float noise."""
    model = _model(dtype)
    expected = _results(model, rows, dtype)
    model.zero_grad()
    products.speed_up(model)
    found = _results(model, rows, dtype)
    assert {"forward"} <= vars(model.inner).keys() & vars(model.lm_head).keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        assert (found[name] - value).abs().max() <= TOLERANCE[dtype] * value.abs().max(), name


def test_layers_with_dropout_stay_pefts() -> None:
    """Their input is not the one that the frozen product takes."""
    model = _model(torch.float32, lora_dropout=0.1)
    products.speed_up(model)
    assert "forward" not in vars(model.inner)
    assert "forward" in vars(model.lm_head)


def test_trained_and_quantized_weights_keep_their_layers(llama: Path) -> None:
    """Full fine-tuning trains the head, QLoRA has 8-bit layers."""
    full, quantized = (
        trainee(llama, **values).causal_lm for values in ({"use_full_finetuning": True}, {"use_qlora": True})
    )
    assert "forward" not in vars(full.lm_head)
    assert all("forward" not in vars(module) for module in quantized.model.modules())
