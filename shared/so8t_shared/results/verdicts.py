"""Verdicts on a comparison of A and B: one vocabulary for the evaluator, the report and the terminal.

The evaluator decides; all output takes its words from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Verdict(StrEnum):
    """Result of the paired test on the rows that both models were asked."""

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
    MOSTLY_UNREAD = "mostly_unread"
    """No class could be read from most answers of one model, so its decisions are unknown."""
    NOTHING_RIGHT = "nothing_right"
    """Neither model was right on any row, so there is nothing to compare."""
    TOO_FEW_GROUPS = "too_few_groups"
    """The rows form too few groups to tell how alike the rows of a group are."""
    FORM_ONLY = "form_only"
    """A difference is shown if unread answers count as wrong, but none, or the opposite, in the rows read from both."""

    @property
    def significant(self) -> bool:
        """Whether a difference is shown."""
        return self in {Verdict.A_BETTER, Verdict.B_BETTER}

    @property
    def undecided(self) -> bool:
        """Whether classes were compared, and no difference is shown."""
        return self in {Verdict.NO_DIFFERENCE, Verdict.TIE, Verdict.SAME_CLASSES}

    @property
    def compared(self) -> bool:
        """Whether the answers allow a comparison at all."""
        return self.significant or self.undecided or self == Verdict.FORM_ONLY


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
        "Nothing could be compared: no class could be read from A or B",
        "no class could be read from A or B",
        "no class read",
        "muted",
    ),
    Verdict.MOSTLY_UNREAD: Words(
        "Nothing could be compared: most answers of a model could not be read",
        "most answers of a model could not be read",
        "mostly unread",
        "muted",
    ),
    Verdict.NOTHING_RIGHT: Words(
        "Nothing could be compared: neither A nor B was right on any row",
        "neither A nor B was right",
        "none right",
        "muted",
    ),
    Verdict.TOO_FEW_GROUPS: Words(
        "The rows form too few groups to decide", "the rows form too few groups to decide", "too few", "muted"
    ),
    Verdict.FORM_ONLY: Words(
        "A and B differ in form; no such difference in decisions is shown",
        "the difference is one of form",
        "form only",
        "muted",
    ),
}


@dataclass(frozen=True)
class Counts:
    """The figures that a verdict rests on."""

    n: int
    only_a: int
    """Rows that only A got right."""
    only_b: int
    both_right: int
    flips: int
    """Kinds of rows on which the classes differ."""
    unread_a: int
    """Rows on which no class could be read from A's answer."""
    unread_b: int
    too_few_groups: bool = False
    read: tuple[int, float] | None = None
    """In the rows read from both, those gained by B minus those lost, and p; None if all rows were read."""


def mostly_unread(unread: int, n: int) -> bool:
    """Whether no class could be read from most of n answers, so that nothing is known of the decisions."""
    return 2 * unread > n


def decide(counts: Counts, *, p: float, alpha: float) -> Verdict:
    """The verdict on a comparison; `p` is from the paired test, adjusted for the family if there is one."""
    c = counts
    if min(c.unread_a, c.unread_b) == c.n:
        return Verdict.NOTHING_READ
    if any(mostly_unread(unread, c.n) for unread in (c.unread_a, c.unread_b)):
        return Verdict.MOSTLY_UNREAD
    if not (c.only_a or c.only_b or c.both_right):
        return Verdict.NOTHING_RIGHT
    if c.flips == 0:
        return Verdict.SAME_CLASSES
    if c.too_few_groups:
        return Verdict.TOO_FEW_GROUPS
    if c.only_a == c.only_b:
        return Verdict.TIE
    if p >= alpha:
        return Verdict.NO_DIFFERENCE
    gained = c.only_b - c.only_a
    if c.read is not None and (c.read[1] >= alpha or c.read[0] * gained <= 0):
        return Verdict.FORM_ONLY
    return Verdict.B_BETTER if gained > 0 else Verdict.A_BETTER
