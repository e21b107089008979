"""Where an evaluation with ab_test.until_decided ended, and the evidence behind its headline."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.documents import Part


class Stopped(Part):
    """Where the asking ended."""

    decided: bool = Field(description="Whether the asking ended early; if not, all rows were asked.")
    rows: int = Field(description="Rows that each model was asked in each setting.")
    available: int = Field(description="Rows that might have been asked.")
    groups: int = Field(description="Groups of the rows asked.")
    available_groups: int
    largest_group: int = Field(description="Rows of the largest group that might have been asked.")
    cannot_pass: list[str] = Field(
        default_factory=list,
        description="Required clauses that had not failed, but could not pass any more, whatever the other answers.",
    )

    @property
    def ending(self) -> str:
        """Such as "stopped after 48 of 144 rows; 96 rows saved"."""
        if not self.decided:
            return f"all {self.available:,} rows were asked, since not everything was decided before"
        words = f"stopped after {self.rows:,} of {self.available:,} rows; {self.available - self.rows:,} rows saved"
        names = " and ".join(f"{name!r}" for name in self.cannot_pass)
        return f"{words}; {names} could not pass any more" if names else words


class UntilDecided(Stopped):
    """Where the asking ended, with the evidence that ended it; the headline's interval is the confidence sequence."""

    e_better: float = Field(description='E-value against "B is not better than A" in the headline\'s setting.')
    e_worse: float = Field(description='E-value against "B is not worse than A" in the headline\'s setting.')
    threshold: float = Field(description="An e-value above it is significant: 2 over alpha.")

    @property
    def evidence(self) -> str:
        """Such as "e-values 1,203 for B better and 0.01 for B worse; 200 decides"."""
        better, worse = (f"{value:,.3g}" if value < 1e6 else f"{value:.1e}" for value in (self.e_better, self.e_worse))
        return f"e-values {better} for B better and {worse} for B worse; {self.threshold:g} decides"
