"""The optimizers: each resumes to the same bits, and the 8-bit ones keep 8 bits."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch
from tests.unit.trainer.material import FakeControl, encoded_rows, trainee, training

from so8t_shared.config.training import Optimizer
from so8t_shared.errors import Interrupted
from so8t_trainer import optimizers
from so8t_trainer.loop import run_training
from so8t_trainer.optimizers import make_optimizer, restore_state, state_tensors


def test_the_table_is_complete() -> None:
    """Every optimizer of the configuration can be made."""
    assert set(optimizers._OPTIMIZERS) == set(get_args(Optimizer))


@pytest.mark.parametrize("name", ["adamw_8bit", "paged_adamw_8bit"])
def test_an_8_bit_training_resumes_to_the_same_bits(llama: Path, tmp_path: Path, name: str) -> None:
    """Stopped after step 2, it ends with the weights and the state of an uninterrupted one; the loss falls."""
    values = {"max_steps": 5, "batch_size": 6, "optimizer": name, "learning_rate": 5e-3, "base_bits": 16}
    whole = trainee(llama, **values)
    points = run_training(whole, encoded_rows(llama), training(**values), FakeControl(tmp_path / "whole"))
    with pytest.raises(Interrupted):
        run_training(
            trainee(llama, **values),
            encoded_rows(llama),
            training(**values),
            FakeControl(tmp_path / "parts", stop_after=2),
        )
    resumed = trainee(llama, **values)
    run_training(resumed, encoded_rows(llama), training(**values), FakeControl(tmp_path / "parts"))

    assert points[-1].loss < points[0].loss
    for expected, found in zip(whole.trainable().items(), resumed.trainable().items(), strict=True):
        assert torch.equal(expected[1], found[1]), expected[0]


def test_8_bit_state_is_restored_whole(llama: Path) -> None:
    """Large tensors have 8-bit moments; every tensor of the state, and the step, come back."""
    subject = trainee(llama, optimizer="adamw_8bit")
    settings = training(optimizer="adamw_8bit")
    optimizer = make_optimizer(subject.trainable(), settings)
    for parameter in subject.trainable().values():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    kept = state_tensors(subject.trainable(), optimizer)
    assert {value.dtype for key, value in kept.items() if key.startswith("state1:")} == {torch.uint8, torch.float32}

    again = make_optimizer(subject.trainable(), settings)
    restore_state(subject.trainable(), again, kept)
    found = state_tensors(subject.trainable(), again)
    assert found.keys() == kept.keys()
    for name, value in kept.items():
        assert torch.equal(value, found[name]), name


def test_adamw_takes_its_rates_from_the_settings(llama: Path) -> None:
    """Betas and epsilon are keys."""
    settings = training(adam_beta1=0.8, adam_beta2=0.999, adam_epsilon=1e-6)
    group = make_optimizer(trainee(llama).trainable(), settings).param_groups[0]
    assert (group["betas"], group["eps"]) == ((0.8, 0.999), 1e-6)
