"""How many answers no class could be read from, in words."""

from __future__ import annotations

import pytest

from so8t_shared.results.evaluation import AnswerLimit, Quality
from so8t_shared.results.interval import Interval
from so8t_shared.results.unread import unread_answers, why_unread

LIMIT = AnswerLimit(max_new_tokens=12, longest_target_tokens=10)


def quality(invalid: int, cut: int = 0, over_long: int = 0, rescued: int = 0) -> Quality:
    """Of A, with 1,200 answers."""
    return Quality(
        model="a", quantization="q8_0", scoring="generate", n=1200, accuracy=Interval(value=0, low=0, high=0.1),
        macro_f1=0, invalid=invalid, cut=cut, over_long=over_long, rescued=rescued, per_class={}, confusion=[],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("qualities", "words"),
    [
        ([], ""),
        ([quality(0)], ""),
        ([quality(7)], "7 of A's 1,200 answers"),
        ([quality(60, 56)], "60 of A's 1,200 answers (56 cut at 12 tokens)"),
        ([quality(60, 56, 2)], "60 of A's 1,200 answers (56 cut at 12 tokens, 2 over-long)"),
        ([quality(60, rescued=3)], "60 of A's 1,200 answers (3 readable leniently)"),
        ([quality(60, 59), quality(58), quality(0)], "58 to 60 of A's 1,200 answers (0 to 59 cut at 12 tokens)"),
    ],
)
def test_words(qualities: list[Quality], words: str) -> None:
    """Counts with their causes; several settings as a span, of which those without such an answer are no part."""
    assert unread_answers(qualities, LIMIT) == words


def test_causes_without_the_limit() -> None:
    """Where the limit stands elsewhere only the causes are named; an unknown cause has no brackets."""
    assert why_unread([quality(60, 56, 2)]) == " (56 cut, 2 over-long)"
    assert why_unread([quality(60)]) == ""
