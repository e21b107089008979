"""A study's grid of arms and seeds, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from so8t_shared.escapes import visible
from so8t_shared.studies.grid import Cell
from so8t_shared.studies.plan import MemberPlan, StudyPlan
from so8t_shared.studies.record import StudyRecord

_ALONE = "-"
"""Row of external models, which have no seed."""


def grid_table(record: StudyRecord, cells: Sequence[Cell]) -> RenderableType:
    """One row per seed, one column per arm: the state of each member."""
    found = {(cell.member.arm, cell.member.seed): visible(cell.state) for cell in cells}
    over = sum(cell.over for cell in cells)
    title = Text(f"study {record.name}: {over} of {len(cells)} models finished")
    return Group(title, _grid([arm.name for arm in record.arms], record.seeds, found))


def plan_of_study(planned: StudyPlan) -> Table:
    """One row per seed, one column per arm: the stages that would run."""
    arms = list(dict.fromkeys(each.member.arm.name for each in planned.members))
    seeds = list(dict.fromkeys(each.member.seed for each in planned.members if each.member.seed is not None))
    found = {(each.member.arm.name, each.member.seed): _actions(each) for each in planned.members}
    return _grid(arms, seeds, found)


def _actions(each: MemberPlan) -> str:
    resumed = {line.stage.name for line in each.stages if line.action == "resume"}
    parts = {
        "resume": [name for name in _ordered(each) if name in each.to_run & resumed],
        "run": [name for name in _ordered(each) if name in each.to_run - resumed],
        "shared": [name for name in _ordered(each) if name in each.shared],
        "reuse": [name for name in _ordered(each) if name in each.reused],
    }
    if not each.to_run and not each.shared:
        return "finished"
    return "\n".join(f"{action}: {', '.join(names)}" for action, names in parts.items() if names)


def _ordered(each: MemberPlan) -> list[str]:
    return [line.stage.name for line in each.stages]


def _grid(arms: Sequence[str], seeds: Sequence[int], cells: Mapping[tuple[str, int | None], str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("seed", justify="right")
    for arm in arms:
        table.add_column(Text(visible(arm)), overflow="fold")
    rows: list[int | None] = [*seeds, *([None] if any(seed is None for _, seed in cells) else [])]
    for seed in rows:
        name = _ALONE if seed is None else str(seed)
        table.add_row(name, *(Text(cells.get((arm, seed), "")) for arm in arms))
    return table
