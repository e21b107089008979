"""The one vocabulary of verdicts."""

from __future__ import annotations

import pytest

from so8t_shared.config.model import AbTest
from so8t_shared.results.verdicts import WORDS, Verdict, decide


@pytest.mark.parametrize(
    ("only_a", "only_b", "flips", "answered", "p", "expected"),
    [
        (0, 0, 0, 0, 1.0, "nothing_read"),
        (0, 0, 0, 1, 1.0, "same_classes"),
        (0, 0, 3, 20, 1.0, "tie"),
        (5, 5, 10, 20, 1.0, "tie"),
        (4, 6, 10, 20, 0.75, "no_difference"),
        (1, 9, 10, 20, 0.02, "b_better"),
        (9, 1, 10, 20, 0.02, "a_better"),
        (1, 9, 10, 20, 0.0501, "no_difference"),
        (1, 9, 10, 20, 0.05, "no_difference"),
    ],
)
def test_decide(only_a: int, only_b: int, flips: int, answered: int, p: float, expected: str) -> None:
    """Nothing read without a class, the same classes without a flip, a tie with as many gained as lost.

    Else better only where p is below alpha.
    """
    assert decide(only_a=only_a, only_b=only_b, flips=flips, answered=answered, p=p, alpha=0.05) == expected


def test_level_follows_confidence() -> None:
    """The same p is enough at 90% and not at 99%; 95% is exactly 0.05, though 1 - 0.95 is a little more."""
    alphas = [AbTest(confidence=c).alpha for c in (0.9, 0.99)]
    verdicts = [decide(only_a=1, only_b=9, flips=10, answered=20, p=0.02, alpha=a) for a in alphas]
    assert verdicts == ["b_better", "no_difference"]
    assert AbTest(confidence=0.95).alpha == 0.05


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_words(verdict: Verdict) -> None:
    """Each can be said in a title, in a clause and in a narrow cell; only a winner is not muted."""
    words = WORDS[verdict]
    assert words.title
    assert words.clause
    assert len(words.cell) <= 13
    assert (words.tone != "muted") == verdict.significant


def test_nothing_read_is_no_comparison() -> None:
    """Where classes were compared and no difference is shown the verdict is undecided; without a class it is not."""
    assert [v for v in Verdict if v.undecided] == [Verdict.NO_DIFFERENCE, Verdict.TIE, Verdict.SAME_CLASSES]
