"""What a test on given rows can find, and which clauses of the gate it can decide, before any answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import ceil
from typing import ClassVar

from pydantic import Field

from so8t_shared import formatting as fmt
from so8t_shared.documents import Part
from so8t_shared.tables.metrics import MetricName


class Passable(StrEnum):
    """Whether a clause of the gate can pass on these rows."""

    YES = "yes"
    IF_BETTER = "if better"
    """Only if B is better than A: an equal B cannot pass, even if no row differs."""
    NO = "no"
    """Not even with a perfect result: no such answer, or every row gained."""
    UNKNOWN = "unknown"
    """Not planned: the figure is not a share of rows."""


class PlannedClause(Part):
    """One clause of the gate in one setting."""

    name: str
    metric: MetricName
    bound: str = Field(description='In words, such as "at most 10.0%".')
    required: bool
    rows: int = Field(description="Test rows that the clause counts.")
    groups: int = Field(description="Groups of these rows; as many as rows if every row stands alone.")
    rows_needed: int | None = Field(
        description="With so many, a B that is no better than A, or has the assumed rate, passes with 80%; None if no"
        " number of rows is known to do."
    )
    groups_needed: int | None = Field(description="Groups of rows_needed rows that are as large as these.")
    assumed_rate: float | None = Field(
        None, description="For an absolute bound: B's true rate, a quarter of what the bound allows."
    )
    finds: float | None = Field(
        None, description="For better: the smallest true difference that passes with 80%, if there is one."
    )
    can_pass: Passable
    reason: str = Field("", description="Why it cannot pass, or only if B is better; else empty.")

    @property
    def short(self) -> bool:
        """Whether there are fewer rows than it needs."""
        return self.rows_needed is not None and self.rows < self.rows_needed


class TestPlan(Part):
    """The plan of a test, from its rows and settings."""

    __test__: ClassVar[bool] = False
    """Keeps pytest from collecting this class."""
    by_label: dict[str, int] = Field(description="Test rows per class.")
    groups: int = Field(description="Groups of rows; as many as rows if every row stands alone.")
    disagreement: float = Field(description="ab_test.assumed_disagreement.")
    correlation: float = Field(description="Assumed likeness of the rows of a group.")
    smallest_difference: float | None = Field(
        description="Smallest true difference in accuracy that is found with 80%, if any is."
    )
    minimal_difference: float = Field(description="ab_test.minimal_difference.")
    rows_needed: int | None = Field(description="Rows with which the minimal difference is found with 80%.")
    clauses: list[PlannedClause]
    about: bool = Field(False, description="The rows are an estimate, made before the data were prepared.")
    until_decided: bool = Field(
        False, exclude_if=lambda value: not value, description="ab_test.until_decided: fewer rows may be asked."
    )
    gate_can_pass: bool = Field(description="Whether no required clause is impossible on these rows.")

    @property
    def rows(self) -> int:
        """Number of test rows."""
        return sum(self.by_label.values())

    @property
    def rows_for_gate(self) -> int | None:
        """Test rows with which each required clause has the rows that it needs, at this mix of classes and groups."""
        needing = [c for c in self.clauses if c.required and c.rows_needed is not None]
        if not all(c.rows for c in needing):
            return None
        return max((ceil((c.rows_needed or 0) * self.rows / c.rows) for c in needing), default=0)

    @property
    def reach(self) -> str:
        """The differences that the test finds, in one sentence without a period."""
        minimal = _points(self.minimal_difference)
        rows = f"about {_rows(self.rows)}" if self.about else _rows(self.rows)
        needed = "more rows are needed than can be planned"
        if self.rows_needed is not None:
            needed = f"{_rows(self.rows_needed)} are needed, and {_there_are(self.rows)}"
        if self.smallest_difference is None:
            return (
                f"{self.assumption}, {rows} cannot show any difference four times out of five; for {minimal}, {needed}"
            )
        finds = _points(self.smallest_difference)
        words = f"{self.assumption}, {rows} show a true difference of {finds} four times out of five"
        if self.smallest_difference <= self.minimal_difference:
            return f"{words}, so one of {minimal} is not missed"
        return f"{words}; for {minimal}, {needed}"

    @property
    def assumption(self) -> str:
        """What is assumed, as the beginning of a sentence."""
        words = f"if only one model is right on {fmt.percent(self.disagreement)} of the rows"
        if self.groups < self.rows:
            words += f" and answers within a group have a correlation of {self.correlation:g}"
        return words

    @property
    def verdict(self) -> str:
        """What the rows mean for the gate, in a sentence or two."""
        required = [c for c in self.clauses if c.required]
        impossible = [c for c in required if c.can_pass == Passable.NO]
        if impossible:
            words = (
                f"The gate cannot pass on these rows, even with a perfect result: {'; '.join(map(_lack, impossible))}."
            )
        elif short := [c for c in required if c.short]:
            have = fmt.plural(len(short), "clause has", "clauses have")
            words = f"The gate can pass, but {len(short):,} required {have} fewer rows than needed."
        else:
            return "The gate can pass, and every required clause has the rows that it needs."
        if self.rows_for_gate is None or self.rows_for_gate <= self.rows:
            return words
        return f"{words} At this mix of classes, {self.rows_for_gate:,} rows are needed; {_there_are(self.rows)}."

    def sentences(self) -> Iterator[str]:
        """The plan without its table."""
        yield f"{self.reach[0].upper()}{self.reach[1:]}."
        yield self.verdict
        if self.until_decided:
            most = f"about {_rows(self.rows)}" if self.about else _rows(self.rows)
            yield f"Each model is asked at most {most}: the asking ends once headline and gate are decided."


def rows_in_groups(rows: int | None, groups: int | None) -> str:
    """Such as "1,460 (730)": rows, and their groups unless every row stands alone."""
    if rows is None or groups is None:
        return "-"
    return f"{rows:,}" if groups == rows else f"{rows:,} ({groups:,})"


def needs(clause: PlannedClause) -> str:
    """What a clause needs, for a cell of a table."""
    if clause.finds is not None:
        return f"finds {_points(clause.finds)}"
    if clause.rows_needed is None and clause.can_pass == Passable.IF_BETTER:
        return "finds nothing"
    return rows_in_groups(clause.rows_needed, clause.groups_needed)


def _points(difference: float) -> str:
    return f"{100 * difference:.1f} points"


def _rows(n: int) -> str:
    return f"{n:,} {fmt.plural(n, 'row', 'rows')}"


def _there_are(n: int) -> str:
    return f"there {fmt.plural(n, 'is', 'are')} {n:,}"


def _lack(clause: PlannedClause) -> str:
    """What an impossible clause lacks."""
    if clause.rows_needed is None:
        return f"{clause.name!r}: {clause.reason}"
    wanted = f"{_rows(clause.rows_needed)}"
    if clause.groups_needed != clause.rows_needed:
        wanted += f" in {clause.groups_needed:,} groups"
    return f"{clause.name!r} needs {wanted}, and {_there_are(clause.rows)}"
