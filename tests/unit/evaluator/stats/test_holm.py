"""Holm's adjustment, by hand."""

from __future__ import annotations

import pytest

from so8t_evaluator.stats.holm import holm


def test_by_hand() -> None:
    """The smallest times 4, the next times 3, and never below one before it; in the given order."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_never_above_one() -> None:
    """A p-value stays one."""
    assert holm([0.7, 0.9]) == [1.0, 1.0]


def test_small_families() -> None:
    """A family of one is left as it is, and none gives none."""
    assert holm([0.04]) == [0.04]
    assert holm([]) == []
