"""The gate's clauses, each with its bound, figure and result."""

from __future__ import annotations

from so8t_reporter.document import Cell, Column, Paragraph, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.gate import ClauseResult, Decision

TONES: dict[Decision, Tone] = {Decision.PASS: "good", Decision.FAIL: "bad", Decision.UNDECIDED: "muted"}


_ORDER = (Decision.FAIL, Decision.UNDECIDED, Decision.PASS)


def by_severity(clauses: list[ClauseResult]) -> list[ClauseResult]:
    """Return the clauses that do not pass first, and of these the required ones."""
    return sorted(clauses, key=lambda c: (c.result == Decision.PASS, not c.required, _ORDER.index(c.result)))


def gate_section(inputs: ReportInputs) -> Section:
    """One line per clause of ab_test.gate; the ones that do not pass come first."""
    clauses = by_severity(inputs.evaluation.gate.clauses)
    if not clauses:
        return Section("gate", "The gate", [Paragraph("ab_test.gate has no clause, so nothing was required.", "muted")])
    table = Table(
        "Clauses of the gate",
        [Column(name, numeric=False) for name in ("Clause", "Demands", "Result", "Why", "Required")],
        [_row(clause) for clause in clauses],
        note="B may ship if every required clause passes. An absolute bound must hold for the bad end of the interval,"
        " a relative one for the whole interval of the difference. Undecided: the rows or the answers do not tell.",
    )
    return Section("gate", "The gate", [table])


def _row(clause: ClauseResult) -> list[Cell]:
    return [
        Cell(clause.name, "strong"),
        Cell(f"{clause.metric}: {clause.bound}"),
        Cell(clause.result, TONES[clause.result]),
        Cell(clause.reason),
        Cell("yes" if clause.required else "advisory", "" if clause.required else "muted"),
    ]
