"""The one vocabulary of verdicts."""

from __future__ import annotations

import pytest

from so8t_shared.config.model import AbTest
from so8t_shared.verdicts import WORDS, Verdict, decide


@pytest.mark.parametrize(
    ("only_a", "only_b", "flips", "p", "expected"),
    [
        (0, 0, 0, 1.0, "same_classes"),
        (0, 0, 3, 1.0, "tie"),
        (5, 5, 10, 1.0, "tie"),
        (4, 6, 10, 0.75, "no_difference"),
        (1, 9, 10, 0.02, "b_better"),
        (9, 1, 10, 0.02, "a_better"),
        (1, 9, 10, 0.0501, "no_difference"),
        (1, 9, 10, 0.05, "no_difference"),
    ],
)
def test_decide(only_a: int, only_b: int, flips: int, p: float, expected: str) -> None:
    """The same classes without a flip, a tie with as many gained as lost, else better only where p is below alpha."""
    assert decide(only_a=only_a, only_b=only_b, flips=flips, p=p, alpha=0.05) == expected


def test_level_follows_confidence() -> None:
    """The same p is enough at 90 % and not at 99 %; 95 % is exactly 0.05, though 1 - 0.95 is a little more."""
    alphas = [AbTest(confidence=c).alpha for c in (0.9, 0.99)]
    assert [decide(only_a=1, only_b=9, flips=10, p=0.02, alpha=a) for a in alphas] == ["b_better", "no_difference"]
    assert AbTest(confidence=0.95).alpha == 0.05


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_words(verdict: Verdict) -> None:
    """Each can be said in a title, in a clause and in a narrow cell; only a winner is not muted."""
    words = WORDS[verdict]
    assert words.title
    assert words.clause
    assert len(words.cell) <= 13
    assert (words.tone != "muted") == verdict.significant
