"""Verdicts on a comparison of A and B: one vocabulary for the evaluator, the report and the terminal.

The evaluator decides; all output takes its words from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Verdict(StrEnum):
    """Result of the exact McNemar test on the rows that both models were asked."""

    B_BETTER = "b_better"
    A_BETTER = "a_better"
    NO_DIFFERENCE = "no_difference"
    """No difference is shown, which does not mean that there is none."""
    TIE = "tie"
    """As many rows gained as lost."""
    SAME_CLASSES = "same_classes"
    """Both models gave the same class on every row; the texts may differ."""
    NOTHING_READ = "nothing_read"
    """No class could be read from any answer, so nothing was compared."""

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
    """The wording of a verdict."""

    title: str
    clause: str
    """Used after "there", "at q8_0" and so on."""
    cell: str
    """Used in a table; at most 13 characters, so that the terminal's table fits in 80 columns."""
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

    `only_a` and `only_b` count rows that only that model got right, `flips` rows on which the classes
    differ, `answered` rows on which a class could be read from at least one model; `p` is from the exact
    McNemar test, adjusted for the family if there is one.
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
