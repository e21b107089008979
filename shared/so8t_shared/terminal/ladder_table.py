"""What `so8t-ab ladder` prints for people. Fits in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from so8t_shared import formatting as fmt
from so8t_shared.escapes import visible
from so8t_shared.results.ladder import Handover, Ladder, OtherTokens

_FLIPPED = 10
"""Rows shown; ladder.md has all."""


def ladder_tables(ladder: Ladder) -> RenderableType:
    """Return the rungs of a model, and what was lost."""
    lost = next((one for one in ladder.handovers if one.names_a_loss), None)
    return Group(
        Text(f"{visible(ladder.name)}, {ladder.rows:,} rows", style="bold"),
        _rungs(ladder),
        Text(ladder.sentence, style="bold red" if lost else "bold green"),
        *([_flipped(lost)] if lost and lost.flipped else []),
        *(map(Text, _example(lost)) if lost else []),
        *(Text(open_of(one)) for one in ladder.handovers if one.open_rows),
    )


def _rungs(ladder: Ladder) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, collapse_padding=True)
    table.add_column("rung", no_wrap=True)
    for name in ("right", "flips", "labels", "KL", "p", "time", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    by_title = {one.after: one for one in ladder.handovers}
    for rung in ladder.rungs:
        one = by_title.get(rung.title)
        found = one.difference if one else None
        style = "red" if one and one.names_a_loss else ""
        table.add_row(
            rung.title,
            f"{rung.right:,}",
            f"{found.flipped:,}" if found else "",
            f"{nats(found.logprob_mean)}" if found else "",
            f"{'>' if one and one.kl_bound else ''}{nats(found.kl_mean)}" if found else "",
            f"{fmt.p_value(one.p_adjusted)}" if one else "",
            f"{fmt.duration(rung.seconds + rung.load_seconds)}",
            f"{fmt.size(rung.peak_memory_bytes)}",
            style=style,
        )
    return table


def nats(value: float | None) -> str:
    """Return a difference with two digits."""
    return fmt.undefined() if value is None else f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.3f}"


def _flipped(one: Handover) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("row", "correct", "before", "after", "by"):
        table.add_column(name)
    for row in one.flipped[:_FLIPPED]:
        table.add_row(visible(row.id), row.gold, row.before, row.after, nats(row.margin))
    return table


def _example(one: Handover) -> list[str]:
    if one.example is None:
        return []
    found = one.example
    sides = ((one.before, found.before_text, found.before_ids), (one.after, found.after_text, found.after_ids))
    lines = [f"Row {visible(found.id)}, from {unit_of(found)} {found.place}:"]
    for title, text, ids in sides:
        lines += [f"  {title}", f"    {visible(repr(text))}", *([f"    {' '.join(map(str, ids))}"] if ids else [])]
    return lines


def open_of(one: Handover) -> str:
    """Return the sentence about rows whose decision is not known."""
    return (
        f"{one.after} leaves {one.open_rows:,} of {one.rows:,} decisions open: too few tokens are shown. Not counted."
    )


def unit_of(found: OtherTokens) -> str:
    """Return what the place of an example counts."""
    return "token" if found.before_ids or found.after_ids else "letter"


def plan_table(name: str, rungs: Sequence[tuple[str, int, float]]) -> Table:
    """Return the rungs of a plan: title, rows left to measure, and about the seconds they take."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=visible(name), title_justify="left")
    table.add_column("rung")
    table.add_column("rows to measure", justify="right")
    table.add_column("time", justify="right")
    for title, rows, seconds in rungs:
        table.add_row(title, f"{rows:,}" if rows else "there", f"about {fmt.duration(seconds)}" if rows else "")
    total = sum(seconds for *_, seconds in rungs)
    table.add_row("together", "", f"about {fmt.duration(total)}" if total else fmt.duration(0), style="bold")
    return table
