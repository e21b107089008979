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


class ReadRows(Part):
    """The rows on which a class could be read from both answers: the decisions, apart from the form."""

    n: int
    both_right: int
    only_a_right: int
    only_b_right: int
    difference: Interval | None = Field(description="B minus A among these rows; None without any.")
    p_value: float = Field(description="Paired test on these rows; 1 without any.")
    p_adjusted: float | None = Field(
        None, description="That a difference is in all rows and in these: the larger p, adjusted as in Comparison."
    )

    def parts(self, difference: float, rows: int) -> tuple[float, float]:
        """The form's and the decisions' parts of a difference in accuracy on `rows` rows.

        Form: B right where A could not be read, minus A right where B could not be; decisions: in these rows.
        """
        decisions = (self.only_b_right - self.only_a_right) / rows
        return difference - decisions, decisions


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
    read_from_both: ReadRows | None = Field(None, description="None if a class could be read from every answer.")
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
    read = None
    if (r := c.read_from_both) is not None:
        read = (r.only_b_right - r.only_a_right, r.p_value if r.p_adjusted is None else r.p_adjusted)
    counts = Counts(
        n=c.n,
        only_a=c.only_a_right,
        only_b=c.only_b_right,
        both_right=c.both_right,
        flips=len(c.flips),
        unread_a=c.unread_a,
        unread_b=c.unread_b,
        too_few_groups=c.accuracy_difference.too_few_groups,
        read=read,
    )
    return decide(counts, p=p, alpha=alpha)
