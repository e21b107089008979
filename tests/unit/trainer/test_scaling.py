"""float16: small gradients survive, an overflow repeats the step, and the scale is in the checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.trainer.material import FakeControl, encoded_rows, training
from torch import nn

from so8t_shared.errors import Interrupted
from so8t_trainer.loop import run_training
from so8t_trainer.model import Trainee, load_trainee
from so8t_trainer.scaling import LossScale


def _half(llama: Path, **values: object) -> Trainee:
    return load_trainee(llama, training(dtype="float16", **values), torch.device("cpu"), torch.float16)


def test_float16_trains_and_resumes_to_the_same_bits(llama: Path, tmp_path: Path) -> None:
    """The loss falls; stopped after step 2, it ends with the same weights."""
    values = {"max_steps": 4, "batch_size": 6, "learning_rate": 5e-3, "base_bits": 16}
    settings = training(dtype="float16", **values)
    whole = _half(llama, **values)
    points = run_training(whole, encoded_rows(llama), settings, FakeControl(tmp_path / "whole"))
    assert points[-1].loss < points[0].loss
    with pytest.raises(Interrupted):
        run_training(
            _half(llama, **values), encoded_rows(llama), settings, FakeControl(tmp_path / "parts", stop_after=2)
        )
    resumed = _half(llama, **values)
    run_training(resumed, encoded_rows(llama), settings, FakeControl(tmp_path / "parts"))
    for name, weight in whole.trainable().items():
        assert torch.equal(weight, resumed.trainable()[name]), name


def _optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1)


def test_an_overflow_repeats_the_step_with_half_the_scale() -> None:
    """Three times here; then the gradients are those without a scale."""
    optimizer = _optimizer()
    [parameter] = optimizer.param_groups[0]["params"]
    scale = LossScale(optimizer, torch.float16)
    tried = []
    for factor in scale.attempts():
        tried.append(factor)
        parameter.grad = torch.tensor([0.25, 0.5]) * factor
        if len(tried) < 4:
            parameter.grad[0] = float("inf")
        scale.clip([parameter], max_norm=100)
    assert tried == [2.0**16, 2.0**15, 2.0**14, 2.0**13]
    assert parameter.grad.tolist() == [0.25, 0.5]
    assert scale.factor == 2.0**13


def test_a_gradient_that_is_never_finite_ends_the_attempts() -> None:
    """At scale 1 the loop is left to say that training diverged; other types have no scale."""
    for dtype, count in ((torch.float16, 17), (torch.float32, 1)):
        optimizer = _optimizer()
        [parameter] = optimizer.param_groups[0]["params"]
        scale = LossScale(optimizer, dtype)
        tried = 0
        for _ in scale.attempts():
            tried += 1
            parameter.grad = torch.full((2,), float("nan"))
            scale.clip([parameter], max_norm=1)
        assert (tried, scale.factor) == (count, 1.0)


def test_the_scale_grows_after_many_good_steps() -> None:
    """As torch.amp.GradScaler's does, every 2,000 steps."""
    optimizer = _optimizer()
    [parameter] = optimizer.param_groups[0]["params"]
    scale = LossScale(optimizer, torch.float16)
    for _ in range(2000):
        for _factor in scale.attempts():
            parameter.grad = torch.ones(2)
            scale.clip([parameter], max_norm=1)
    assert scale.factor == 2.0**17
