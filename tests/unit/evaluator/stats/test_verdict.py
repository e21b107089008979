"""What a comparison says in one word."""

from __future__ import annotations

import pytest

from so8t_evaluator.stats.verdict import verdict


@pytest.mark.parametrize(
    ("only_a", "only_b", "flips", "p", "expected"),
    [
        (0, 0, 0, 1.0, "identical"),
        (0, 0, 3, 1.0, "no_difference"),
        (4, 6, 10, 0.75, "no_difference"),
        (1, 9, 10, 0.02, "b_better"),
        (9, 1, 10, 0.02, "a_better"),
        (1, 9, 10, 0.0501, "no_difference"),
        (1, 9, 10, 0.05, "no_difference"),  # though 1 - 0.95 is 0.05000000000000004
    ],
)
def test_verdict(only_a: int, only_b: int, flips: int, p: float, expected: str) -> None:
    """identical without a flip, else better only where p is below 1 - confidence."""
    assert verdict(only_a=only_a, only_b=only_b, flips=flips, p=p, confidence=0.95) == expected


def test_level_follows_confidence() -> None:
    """The same p is enough at 90 % and not at 99 %."""
    words = [verdict(only_a=1, only_b=9, flips=10, p=0.02, confidence=c) for c in (0.9, 0.99)]
    assert words == ["b_better", "no_difference"]
