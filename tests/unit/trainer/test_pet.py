"""The phases of PET's weight (its sum is tested with the packing)."""

from __future__ import annotations

import torch

from so8t_shared.config.training import Pet
from so8t_trainer.encode import EncodedRow
from so8t_trainer.packing import PackedRows, pack
from so8t_trainer.pet import pet_sum, pet_weight


def test_the_weight_changes_at_the_boundaries() -> None:
    """0.01 over the first 20%, 0.05 over the next 40%, 0.1 over the last 40% of the steps."""
    weights = [pet_weight(step, 10, Pet()) for step in range(10)]
    assert weights == [0.01] * 2 + [0.05] * 4 + [0.1] * 4


def test_phases_are_configurable() -> None:
    """Weights and boundaries come from the configuration."""
    settings = Pet(lambdas=(0, 1, 2), boundaries=(0.5, 0.75))
    assert [pet_weight(step, 4, settings) for step in range(4)] == [0, 0, 1, 2]


def test_threads_do_not_decide_the_gradient() -> None:
    """It is the same to the bit each time: threads that add up as they come would give each training other weights."""
    rows = [EncodedRow(f"row{i}", (1, 2, i, *range(300)), (7, 8)) for i in range(16)]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, *others = (_gradient(pack(rows)) for _ in range(8))
    finally:
        torch.set_num_threads(before)
    assert [torch.equal(first, other) for other in others] == [True] * 7


def _gradient(rows: PackedRows) -> torch.Tensor:
    hidden = torch.randn(rows.tokens, 64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    pet_sum(hidden, rows).backward()
    assert hidden.grad is not None
    return hidden.grad
