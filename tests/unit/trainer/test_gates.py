"""SO8T gates: identity at the start, right gradients, one exponential per optimizer step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.messages import Said
from tests.unit.trainer.material import disturb, encoded_rows, trainee
from torch import nn

from so8t_shared.errors import InputError
from so8t_shared.models import rotation as so8
from so8t_trainer.gates import GateBank, attach_gates, attention_outputs, is_gate, rotations, skew
from so8t_trainer.loop import objective
from so8t_trainer.packing import pack

KINDS = ["exp", "cayley"]


def _bank(kind: str, seed: int = 0) -> GateBank:
    bank = GateBank({0: 16, 3: 24}, kind)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in bank.parameters.values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    bank.refresh()
    return bank


@pytest.mark.parametrize("kind", KINDS)
def test_rotations_are_those_of_the_shared_definition(kind: str) -> None:
    """torch in fp32 agrees with numpy in float64, row order and sign included."""
    parameters = torch.randn(5, 28, generator=torch.Generator().manual_seed(2)) * 0.5
    expected = so8.rotations(so8.skew_from_parameters(parameters.numpy()), kind)
    np.testing.assert_allclose(rotations(skew(parameters), kind).numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_x_is_a_row_vector(kind: str) -> None:
    """rotate(x) is x R, block by block, for any leading shape."""
    bank = _bank(kind)
    x = torch.randn(2, 3, 24, generator=torch.Generator().manual_seed(1))
    blocks = so8.rotations(so8.skew_from_parameters(bank.parameters[3].detach().numpy()), kind)
    expected = np.concatenate([x.numpy()[..., 8 * i : 8 * i + 8] @ block for i, block in enumerate(blocks)], axis=-1)
    np.testing.assert_allclose(bank.rotate(3, x).detach().numpy(), expected, atol=5e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree_with_finite_differences(kind: str) -> None:
    """Also through the detour over the cached rotation, collected once for two passes."""
    bank = _bank(kind)
    inputs = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def value(parameters: torch.Tensor) -> torch.Tensor:
        parts = inputs.reshape(2, 5, 3, 8)
        return (torch.einsum("btni,nij->btnj", parts, rotations(skew(parameters), kind)).flatten(2) * weights).sum()

    exact = bank.parameters[3].detach().double().requires_grad_()
    assert torch.autograd.gradcheck(value, exact, eps=1e-6, atol=1e-5)
    value(exact).backward()
    for x, weight in zip(inputs.float(), weights.float(), strict=True):  # two passes of one step
        (bank.rotate(3, x) * weight).sum().backward()
    bank.collect_gradients()
    torch.testing.assert_close(bank.parameters[3].grad, exact.grad.float(), rtol=1e-4, atol=1e-4)
    assert not bank.parameters[0].grad.any()


def test_an_untrained_gate_is_the_identity(any_model: Path) -> None:
    """With and without gates a fresh model gives the same numbers, bit for bit."""
    batch = pack(encoded_rows(any_model))
    gated, plain = trainee(any_model), trainee(any_model, so8t={"enabled": False})
    assert plain.gates is None
    with torch.no_grad():
        assert torch.equal(objective(gated, batch)[0], objective(plain, batch)[0])
        before = objective(gated, batch)[0]
        disturb(gated)
        assert not torch.allclose(objective(gated, batch)[0], before)


def test_every_attention_layer_has_its_gate(any_model: Path) -> None:
    """D/8 blocks of 28 numbers in fp32, all zero."""
    subject = trainee(any_model)
    widths = {layer: module.in_features for layer, module in attention_outputs(subject.causal_lm)}
    assert len(widths) == subject.causal_lm.config.num_hidden_layers
    found = {name: p for name, p in subject.trainable().items() if is_gate(name)}
    assert set(found) == {f"model.layers.{layer}.self_attn.so8t_gate" for layer in widths}
    for parameter, width in zip(found.values(), widths.values(), strict=True):
        assert parameter.shape == (width // 8, 28)
        assert parameter.dtype == torch.float32
        assert not parameter.any()


def test_the_gate_is_as_wide_as_the_projections_input(tmp_path: Path) -> None:
    """Heads x head size may differ from the hidden size."""
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=64,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=24,
            num_hidden_layers=1,
            intermediate_size=64,
            vocab_size=32,
        )
    )
    assert attach_gates(model, "exp").parameters[0].shape == (96 // 8, 28)


def test_a_width_not_divisible_by_eight_is_refused(said: Said) -> None:
    """The error names the layer."""
    with said.raised(InputError) as caught:
        GateBank({7: 20}, "exp")
    assert "layer 7" in caught.value.where


def test_a_gate_computes_in_fp32_whatever_the_model_does() -> None:
    """bfloat16 in and out, full precision between, also under autocast."""
    bank = _bank("exp")
    x = torch.randn(4, 24, generator=torch.Generator().manual_seed(1)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        rotated = bank.rotate(3, x)
    assert rotated.dtype == torch.bfloat16
    assert torch.equal(rotated, bank.rotate(3, x.float()).bfloat16())


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_gradients_survive_gradient_checkpointing(llama: Path, bits: int) -> None:
    """Recomputing activations changes no gradient."""
    batch = pack(encoded_rows(llama))
    found = []
    for checkpointing in (False, True):
        subject = trainee(llama, gradient_checkpointing=checkpointing, base_bits=bits)
        disturb(subject)
        objective(subject, batch)[0].sum().backward()
        subject.gates.collect_gradients()
        found.append({name: p.grad for name, p in subject.trainable().items()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], msg=name)


def test_attaching_leaves_module_names_alone(llama: Path) -> None:
    """Gates are hooks: no tensor of theirs is in the model's state."""
    subject = trainee(llama)
    assert isinstance(subject.causal_lm, nn.Module)
    assert not [name for name in subject.causal_lm.state_dict() if "gate" in name and "gate_proj" not in name]
