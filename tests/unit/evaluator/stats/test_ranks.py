"""Ranks that hold together."""

from __future__ import annotations

from so8t_evaluator.stats.ranks import rank_sets


def test_only_shown_differences_separate() -> None:
    """Holm over three pairs: 0.001 and 0.02 are shown (0.003, 0.04), 0.2 is not."""
    tests = {("x", "A"): (0.2, 0.001), ("y", "A"): (0.1, 0.02), ("x", "y"): (0.1, 0.2)}
    assert rank_sets(["A", "x", "y"], tests, 0.05) == {"A": (3, 3), "x": (1, 2), "y": (1, 2)}


def test_a_missing_pair_counts() -> None:
    """An undecided pair takes part in the adjustment: 0.02 of three pairs is 0.06."""
    assert rank_sets(["A", "x", "y"], {("x", "A"): (0.2, 0.02)}, 0.05) == {"A": (1, 3), "x": (1, 3), "y": (1, 3)}
    assert rank_sets(["A", "x"], {("x", "A"): (-0.2, 0.02)}, 0.05) == {"A": (1, 1), "x": (2, 2)}


def test_nothing_shown_leaves_every_rank() -> None:
    """Each may have each rank."""
    assert rank_sets(["A", "x"], {("x", "A"): (0.0, 1.0)}, 0.05) == {"A": (1, 2), "x": (1, 2)}
