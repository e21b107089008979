"""The phases of PET's weight (its sum is tested with the packing)."""

from __future__ import annotations

from so8t_shared.config.model import Pet
from so8t_trainer.pet import pet_weight


def test_the_weight_changes_at_the_boundaries() -> None:
    """0.01 over the first 20 %, 0.05 over the next 40 %, 0.1 over the last 40 % of the steps."""
    weights = [pet_weight(step, 10, Pet()) for step in range(10)]
    assert weights == [0.01] * 2 + [0.05] * 4 + [0.1] * 4


def test_phases_are_configurable() -> None:
    """Weights and boundaries come from the configuration."""
    settings = Pet(lambdas=(0, 1, 2), boundaries=(0.5, 0.75))
    assert [pet_weight(step, 4, settings) for step in range(4)] == [0, 0, 1, 2]
