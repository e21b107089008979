"""The choice of layers with gates: one spelling for equal choices, and none that does not exist."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tests.messages import Said

from so8t_shared.config.layers import chosen_layers, compact
from so8t_shared.config.training import So8tGates
from so8t_shared.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("all", "all"),
        (" All", "all"),
        ("4-11", "4-11"),
        ([4, 5, 6, 7, 8, 9, 10, 11], "4-11"),
        ([11, 4, "5-7"], "4-7,11"),
        ("4, 6 - 8", "4,6-8"),
        (7, "7"),
    ],
)
def test_equal_choices_are_kept_alike(given: object, kept: str) -> None:
    """Ranges, lists and texts; so they give the same fingerprint."""
    assert So8tGates(layers=given).layers == kept
    assert So8tGates(layers=kept).layers == kept


@pytest.mark.parametrize("given", ["11-4", [], "", "x", True, [True], -1, 1.5, None, "0-99999"])
def test_what_is_no_choice(given: object) -> None:
    """It is refused, not read as something else."""
    with pytest.raises(ValidationError):
        So8tGates(layers=given)


def test_numbers_of_a_choice(said: Said) -> None:
    """All layers that can have a gate, or the named ones; a layer that the model does not have is a ConfigError."""
    assert chosen_layers("all", [0, 2], 3) == [0, 2]
    assert chosen_layers("1-2,4", range(6), 6) == [1, 2, 4]
    with said.raised(ConfigError):
        chosen_layers("4-11", range(8), 8)


def test_compact() -> None:
    """Runs become ranges."""
    assert compact([]) == ""
    assert compact([5, 3, 4, 9]) == "3-5,9"
