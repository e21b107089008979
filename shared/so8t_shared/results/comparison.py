"""Results of the paired test of B against A."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import Counts, Verdict, decide
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


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
    accuracy_difference: Interval = Field(description="B minus A with its score interval.")
    macro_f1_difference: Interval = Field(description="B minus A, paired bootstrap.")
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    unread_a: int = Field(description="Rows on which no class could be read from A's answer.")
    unread_b: int
    p_value: float = Field(
        description="Two-sided paired test that both are right equally often: McNemar's (exact or mid-p), or with"
        " groups of rows its form that flips the signs of whole groups."
    )
    p_adjusted: float | None = Field(
        description="The headline's own p; for the others, Holm-adjusted among themselves and at least the headline's."
    )
    flips: list[Flip]
    differing_answers: int = Field(description="Rows on which the full answers differ, including thinking and format.")
    seconds: float = Field(0.0, description="Time of both models' answers: their latencies added up.")
    verdict: Verdict = Field(description="Better only if the adjusted p (else p) is below alpha.")

    @property
    def p(self) -> float:
        """The deciding p value: adjusted if there is a family of comparisons."""
        return self.p_value if self.p_adjusted is None else self.p_adjusted


def verdict_of(c: Comparison, p: float, alpha: float) -> Verdict:
    """The verdict that follows from the comparison's own figures and the deciding `p`."""
    counts = Counts(
        n=c.n,
        only_a=c.only_a_right,
        only_b=c.only_b_right,
        both_right=c.both_right,
        flips=len(c.flips),
        unread_a=c.unread_a,
        unread_b=c.unread_b,
        too_few_groups=c.accuracy_difference.too_few_groups,
    )
    return decide(counts, p=p, alpha=alpha)
