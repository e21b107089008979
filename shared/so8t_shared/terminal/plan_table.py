"""The plan of the test as a table, printed before a run."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from so8t_shared.results.plan import Passable, TestPlan, needs, rows_in_groups

_STYLES = {Passable.YES: "green", Passable.NO: "bold red"}


def plan_table(plan: TestPlan) -> Table:
    """One row per clause of the gate. Fits in 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for name in ("clause of the gate", "needs rows (groups)", "there are", "can pass"):
        table.add_column(name, justify="left" if name[:2] in {"cl", "ca"} else "right", overflow="fold")
    for clause in plan.clauses:
        table.add_row(
            Text(clause.name if clause.required else f"{clause.name} (advisory)"),
            needs(clause),
            rows_in_groups(clause.rows, clause.groups),
            Text(clause.can_pass, style=_STYLES.get(clause.can_pass, "yellow")),
        )
    return table
