"""Tables that compare two sets of answers to the same rows: they explain a verdict without deciding it."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_reporter.document import Cell, Column, Table
from so8t_shared import formatting as fmt
from so8t_shared.results.paired import Paired

EXPLORATORY = (
    "p: paired test, Holm-adjusted over this table only. Exploratory: it affects neither the verdict nor the gate."
)


def paired_table(
    caption: str,
    heads: tuple[Sequence[str], tuple[str, str, str]],
    lines: Sequence[tuple[list[Cell], Paired]],
    *,
    alpha: float,
    note: str,
) -> Table:
    """Return a table with each line's own cells, then counts, difference and test.

    `heads` names the own cells, then (reference right, other right, difference). Only significant
    differences are colored.
    """
    own, (reference, other, difference) = heads
    return Table(
        caption,
        [
            *(Column(name, numeric=False) for name in own),
            *(Column(name) for name in ("Rows", reference, other, f"{difference} in points", "Gained / lost", "p")),
        ],
        [[*cells, *_figures(line, alpha)] for cells, line in lines],
        note=note,
    )


def _figures(line: Paired, alpha: float) -> list[Cell]:
    significant = line.p_adjusted < alpha
    return [
        Cell(fmt.count(line.n)),
        Cell(_right(line.reference_right, line.n)),
        Cell(_right(line.other_right, line.n)),
        Cell(fmt.points(line.difference), ("good" if line.gained > line.lost else "bad") if significant else "muted"),
        Cell(f"{line.gained:,} / {line.lost:,}"),
        Cell(fmt.p_value(line.p_adjusted, alpha)),
    ]


def _right(right: int, n: int) -> str:
    return f"{right:,} ({fmt.percent(right / n, n)})"
