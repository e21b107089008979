"""What the test could find on its rows, planned without looking at any answer."""

from __future__ import annotations

from so8t_reporter.document import Cell, Column, Paragraph, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.plan import Passable, PlannedClause, TestPlan, needs, rows_in_groups

_TONES: dict[Passable, Tone] = {Passable.YES: "good", Passable.NO: "bad"}


def plan_section(inputs: ReportInputs) -> Section:
    """The smallest difference, and each clause of the gate with the rows that it needs and has."""
    plan = inputs.evaluation.plan
    words = [*plan.sentences(), _observed(inputs.evaluation.headline)]
    return Section("plan", "What this test can find", [Paragraph(" ".join(words)), _clauses(plan)])


def _clauses(plan: TestPlan) -> Table:
    return Table(
        "Rows that each clause needs",
        [
            *(Column(name, numeric=False) for name in ("Clause", "Demands")),
            *(Column(name) for name in ("Needs", "There are")),
            *(Column(name, numeric=False) for name in ("Can pass", "Why not")),
        ],
        [_row(clause) for clause in plan.clauses],
        note="Rows of the clause's classes, and in brackets their groups if some rows share one. Needs: with so many, a"
        " B that is no better than A passes the clause in one setting four times out of five; for an absolute bound,"
        " a B whose true rate is a quarter of what the bound allows. Finds: the smallest true gain that passes so"
        " often. Can pass: whether it passes with a perfect result.",
    )


def _row(clause: PlannedClause) -> list[Cell]:
    return [
        Cell(clause.name, "strong"),
        Cell(f"{clause.metric}: {clause.bound}"),
        Cell(needs(clause)),
        Cell(rows_in_groups(clause.rows, clause.groups), "bad" if clause.short else ""),
        Cell(clause.can_pass, _TONES.get(clause.can_pass, "muted")),
        Cell(clause.reason),
    ]


def _observed(headline: Comparison) -> str:
    differing = headline.only_a_right + headline.only_b_right
    share = fmt.percent(differing / headline.n)
    return f"Observed: on {share} of the rows ({differing:,} of {headline.n:,}), only one model was right."
