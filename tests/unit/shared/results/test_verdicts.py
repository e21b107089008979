"""The one vocabulary of verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from so8t_shared.config.model import AbTest
from so8t_shared.results.verdicts import WORDS, Counts, Verdict, decide, mostly_unread


def counts(only_a: int = 0, only_b: int = 0, both_right: int = 5, flips: int | None = None, **other: Any) -> Counts:
    """Of 20 rows, all read unless said otherwise."""
    flips = only_a + only_b if flips is None else flips
    defaults = {"unread_a": 0, "unread_b": 0}
    return Counts(20, only_a=only_a, only_b=only_b, both_right=both_right, flips=flips, **{**defaults, **other})


@pytest.mark.parametrize(
    ("figures", "p", "expected"),
    [
        (counts(both_right=0, unread_a=20, unread_b=20), 1.0, "nothing_read"),
        (counts(both_right=0, only_b=9, unread_a=20), 0.004, "mostly_unread"),
        (counts(both_right=0, only_b=9, unread_a=11), 0.004, "mostly_unread"),
        (counts(both_right=0, only_a=9, unread_b=11), 0.004, "mostly_unread"),
        (counts(both_right=0, only_b=9, unread_a=10), 0.004, "b_better"),
        (counts(both_right=0, unread_a=20, unread_b=1), 1.0, "mostly_unread"),
        (counts(both_right=0), 1.0, "nothing_right"),
        (counts(both_right=0, flips=3), 1.0, "nothing_right"),
        (counts(), 1.0, "same_classes"),
        (counts(flips=3), 1.0, "tie"),
        (counts(5, 5), 1.0, "tie"),
        (counts(4, 6), 0.75, "no_difference"),
        (counts(1, 9), 0.02, "b_better"),
        (counts(9, 1), 0.02, "a_better"),
        (counts(1, 9), 0.0501, "no_difference"),
        (counts(1, 9), 0.05, "no_difference"),
        (counts(1, 9, too_few_groups=True), 1.0, "too_few_groups"),
        (counts(5, 5, too_few_groups=True), 1.0, "too_few_groups"),
        (counts(too_few_groups=True), 1.0, "same_classes"),
    ],
)
def test_decide(figures: Counts, p: float, expected: str) -> None:
    """First whether anything was compared, then whether it moved, then whether p is below alpha."""
    assert decide(figures, p=p, alpha=0.05) == expected


def test_level_follows_confidence() -> None:
    """The same p is enough at 90% and not at 99%; 95% is exactly 0.05, though 1 - 0.95 is a little more."""
    alphas = [AbTest(confidence=c).alpha for c in (0.9, 0.99)]
    assert [decide(counts(1, 9), p=0.02, alpha=a) for a in alphas] == ["b_better", "no_difference"]
    assert AbTest(confidence=0.95).alpha == 0.05


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_words(verdict: Verdict) -> None:
    """Each can be said in a title, in a clause and in a narrow cell; only a winner is not muted."""
    words = WORDS[verdict]
    assert words.title
    assert words.clause
    assert len(words.cell) <= 13
    assert (words.tone != "muted") == verdict.significant


def test_what_was_compared() -> None:
    """Without classes, right answers or groups to compare, the verdict is neither a winner nor undecided."""
    assert [v for v in Verdict if v.undecided] == [Verdict.NO_DIFFERENCE, Verdict.TIE, Verdict.SAME_CLASSES]
    assert [v for v in Verdict if not v.compared] == [
        Verdict.NOTHING_READ, Verdict.MOSTLY_UNREAD, Verdict.NOTHING_RIGHT, Verdict.TOO_FEW_GROUPS
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("read", "verdict"),
    [((5, 0.04), "b_better"), ((5, 0.05), "form_only"), ((0, 1.0), "form_only"), ((-5, 0.01), "form_only")],
)
def test_form_and_decisions(read: tuple[int, float], verdict: str) -> None:
    """B is better only if it also is on the rows read from both; where all were read, nothing changes."""
    assert decide(counts(1, 20), p=0.01, alpha=0.05) == "b_better"
    assert decide(replace(counts(1, 20), read=read), p=0.01, alpha=0.05) == verdict
    assert decide(replace(counts(1, 20), read=read), p=0.06, alpha=0.05) == "no_difference"


@pytest.mark.parametrize(("unread", "n", "mostly"), [(0, 9, False), (10, 20, False), (11, 20, True), (0, 0, False)])
def test_mostly_unread(unread: int, n: int, mostly: bool) -> None:
    """More than half, not half."""
    assert mostly_unread(unread, n) is mostly
