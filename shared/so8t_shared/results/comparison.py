"""What the paired test says of B against A."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import Verdict, decide
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


class NonInferiority(Part):
    """Whether B is worse than A by less than a margin, on the same rows."""

    rows: int
    gained: int = Field(description="Rows that only B got right.")
    lost: int = Field(description="Rows that only A got right.")
    difference: Interval | None = Field(
        description="B minus A with Tango's score interval for paired shares; None without a row."
    )
    margin: float
    non_inferior: bool | None = Field(description="The interval's lower end lies above minus the margin.")
    rows_needed: int | None = Field(
        description="Set where the rows are too few: rows it takes, with as many gained and not one lost."
    )


class RecallCheck(NonInferiority):
    """Non-inferiority of B's recall on one class; its rows are those of the class."""

    label: str
    recall_a: float | None
    recall_b: float | None


class Flip(Part):
    """Rows on which the two sides answered differently."""

    gold: str
    a: str
    b: str
    count: int


class Comparison(Part):
    """B against A on the same rows (in a control, A against A)."""

    name: str = Field(description="For people, for example 'B vs A, q4_k_m, generate'.")
    quantization: Quantization
    scoring: Scoring
    n: int
    accuracy_a: float
    accuracy_b: float
    accuracy_difference: Interval = Field(
        description="B minus A with Tango's score interval, the one that the gate decides on."
    )
    macro_f1_difference: Interval = Field(description="B minus A, paired bootstrap.")
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    mcnemar_p: float = Field(description="Exact two-sided McNemar test.")
    mcnemar_p_holm: float | None = Field(description="Adjusted by Holm over all comparisons of B with A.")
    minimum_detectable_effect: float | None = Field(
        description="Smallest accuracy difference found with 80% power by the exact test at this n and share of"
        " disagreement, at the level that the first of Holm's steps leaves; None where there is none."
    )
    one_sided_rows_needed: int = Field(
        description="Rows that only one side may get right, with none for the other, for a verdict at that level."
    )
    rows_to_find: int | None = Field(
        description="About how many rows find the observed difference with 80% power (by Connor's approximation beyond"
        " 20,000); None for a difference of 0."
    )
    accuracy_check: NonInferiority
    recall_checks: list[RecallCheck]
    flips: list[Flip]
    answered: int = Field(description="Rows on which a class could be read from at least one side's answer.")
    differing_answers: int = Field(description="Rows on which the whole answers differ, thinking and form included.")
    verdict: Verdict = Field(description="Better only where the Holm-adjusted p (else p) is below alpha.")

    @property
    def p(self) -> float:
        """The p value that decides: adjusted for the family of comparisons where there is one."""
        return self.mcnemar_p if self.mcnemar_p_holm is None else self.mcnemar_p_holm


def verdict_of(c: Comparison, p: float, alpha: float) -> Verdict:
    """What the comparison's own figures say where the test that decides gives `p`."""
    return decide(
        only_a=c.only_a_right, only_b=c.only_b_right, flips=len(c.flips), answered=c.answered, p=p, alpha=alpha
    )
