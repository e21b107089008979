"""Results of the paired test of B against A."""

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
        description="B minus A with Tango's score interval for paired shares; None without rows."
    )
    margin: float
    non_inferior: bool | None = Field(description="Whether the interval's lower end is above minus the margin.")
    rows_needed: int | None = Field(
        description="Set if there are too few rows: rows needed, with as many gained and none lost."
    )


class RecallCheck(NonInferiority):
    """Non-inferiority of B's recall on one class, over the rows of that class."""

    label: str
    recall_a: float | None
    recall_b: float | None


class Flip(Part):
    """Number of rows on which A and B answered with this pair of different classes."""

    gold: str
    a: str
    b: str
    count: int


class Comparison(Part):
    """B against A on the same rows (in a control, A against A)."""

    name: str = Field(description="Display name, for example 'B vs A, q4_k_m, generate'.")
    quantization: Quantization
    scoring: Scoring
    n: int
    accuracy_a: float
    accuracy_b: float
    accuracy_difference: Interval = Field(description="B minus A with Tango's score interval, which the gate uses.")
    macro_f1_difference: Interval = Field(description="B minus A, paired bootstrap.")
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    mcnemar_p: float = Field(description="Exact two-sided McNemar test.")
    mcnemar_p_holm: float | None = Field(description="Holm-adjusted over all comparisons of B with A.")
    minimum_detectable_effect: float | None = Field(
        description="Smallest accuracy difference that the exact test finds with 80% power at this n and share of"
        " disagreement, at the level of Holm's first step; None if there is none."
    )
    one_sided_rows_needed: int = Field(
        description="Rows that only one model must get right, with none for the other, for a verdict at that level."
    )
    rows_to_find: int | None = Field(
        description="Approximate number of rows to find the observed difference with 80% power (Connor's approximation"
        " above 20,000); None for a difference of 0."
    )
    accuracy_check: NonInferiority
    recall_checks: list[RecallCheck]
    flips: list[Flip]
    answered: int = Field(description="Rows on which a class could be read from at least one model's answer.")
    differing_answers: int = Field(description="Rows on which the full answers differ, including thinking and format.")
    verdict: Verdict = Field(description="Better only if the Holm-adjusted p (else p) is below alpha.")

    @property
    def p(self) -> float:
        """The deciding p value: Holm-adjusted if there is a family of comparisons."""
        return self.mcnemar_p if self.mcnemar_p_holm is None else self.mcnemar_p_holm


def verdict_of(c: Comparison, p: float, alpha: float) -> Verdict:
    """The verdict that follows from the comparison's own figures and the deciding `p`."""
    return decide(
        only_a=c.only_a_right, only_b=c.only_b_right, flips=len(c.flips), answered=c.answered, p=p, alpha=alpha
    )
