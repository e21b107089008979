"""What a comparison of A and B may be said to show: the one vocabulary of the evaluator, the report and the terminal.

The evaluator decides; everything that speaks to people looks the words up here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Verdict(StrEnum):
    """What the exact McNemar test says about the rows that both models were asked."""

    B_BETTER = "b_better"
    A_BETTER = "a_better"
    NO_DIFFERENCE = "no_difference"
    """None is shown; that is not the same as none being there."""
    TIE = "tie"
    """As many rows gained as lost."""
    SAME_CLASSES = "same_classes"
    """The same class read from both answers to every row; the answers' texts may differ."""

    @property
    def significant(self) -> bool:
        """Whether a difference is shown."""
        return self in {Verdict.A_BETTER, Verdict.B_BETTER}


@dataclass(frozen=True)
class Words:
    """How a verdict is said."""

    title: str
    clause: str
    """After "there", "at q8_0" and the like."""
    cell: str
    """In a table; at most 13 characters, so that the terminal's table fits 80 columns."""
    tone: Literal["good", "bad", "muted"]


WORDS: dict[Verdict, Words] = {
    Verdict.B_BETTER: Words("B is better than A", "B is better", "B better", "good"),
    Verdict.A_BETTER: Words("A is better than B", "A is better", "A better", "bad"),
    Verdict.NO_DIFFERENCE: Words(
        "No difference between A and B is shown", "no difference is shown", "no difference", "muted"
    ),
    Verdict.TIE: Words("A and B tie", "A and B tie", "tie", "muted"),
    Verdict.SAME_CLASSES: Words(
        "A and B chose the same class on every row", "both chose the same class on every row", "same classes", "muted"
    ),
}


def decide(*, only_a: int, only_b: int, flips: int, p: float, alpha: float) -> Verdict:
    """The verdict on a comparison.

    `only_a` and `only_b` are rows that only that model got right, `flips` rows on which the classes
    differ, `p` the exact McNemar test's, adjusted for the family where there is one.
    """
    if flips == 0:
        return Verdict.SAME_CLASSES
    if only_a == only_b:
        return Verdict.TIE
    if p >= alpha:
        return Verdict.NO_DIFFERENCE
    return Verdict.B_BETTER if only_b > only_a else Verdict.A_BETTER
