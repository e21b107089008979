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
    """No row's class differs between the two; the answers' texts may."""
    NOTHING_READ = "nothing_read"
    """No class could be read from a single answer of either, so nothing was compared."""

    @property
    def significant(self) -> bool:
        """Whether a difference is shown."""
        return self in {Verdict.A_BETTER, Verdict.B_BETTER}

    @property
    def undecided(self) -> bool:
        """Whether classes were compared, and no difference is shown."""
        return not self.significant and self != Verdict.NOTHING_READ


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
    Verdict.SAME_CLASSES: Words("No class differs between A and B", "no class differs", "same classes", "muted"),
    Verdict.NOTHING_READ: Words(
        "No class could be read from A or B", "no class could be read from A or B", "no class read", "muted"
    ),
}


def decide(*, only_a: int, only_b: int, flips: int, answered: int, p: float, alpha: float) -> Verdict:
    """The verdict on a comparison.

    `only_a` and `only_b` are rows that only that model got right, `flips` rows on which the classes
    differ, `answered` those on which a class could be read from at least one side, `p` the exact
    McNemar test's, adjusted for the family where there is one.
    """
    if answered == 0:
        return Verdict.NOTHING_READ
    if flips == 0:
        return Verdict.SAME_CLASSES
    if only_a == only_b:
        return Verdict.TIE
    if p >= alpha:
        return Verdict.NO_DIFFERENCE
    return Verdict.B_BETTER if only_b > only_a else Verdict.A_BETTER
