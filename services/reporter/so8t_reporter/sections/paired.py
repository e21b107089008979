"""Tables whose lines are two sets of answers to the same rows: what explains a verdict without deciding it."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_reporter.document import Cell, Column, Table, Tone
from so8t_shared import formatting as fmt
from so8t_shared.results import Paired

EXPLORATORY = (
    "p: exact McNemar test, Holm-adjusted over this table alone. The table explains; it decides neither the verdict"
    " nor the gate."
)


def paired_table(
    caption: str,
    heads: tuple[Sequence[str], tuple[str, str, str]],
    lines: Sequence[tuple[list[Cell], Paired]],
    tones: tuple[Tone, Tone],
    *,
    alpha: float,
    note: str,
) -> Table:
    """Each line's own cells, then counts, difference and test.

    `heads`: of the own cells, and of (reference right, other right, difference); `tones`: of a difference that is
    significant, for the reference and for the other.
    """
    own, (reference, other, difference) = heads
    return Table(
        caption,
        [
            *(Column(name, numeric=False) for name in own),
            *(Column(name) for name in ("Rows", reference, other, f"{difference} in points", "Gained / lost", "p")),
        ],
        [[*cells, *_figures(line, tones, alpha)] for cells, line in lines],
        note=note,
    )


def _figures(line: Paired, tones: tuple[Tone, Tone], alpha: float) -> list[Cell]:
    significant = line.mcnemar_p_holm < alpha
    return [
        Cell(fmt.count(line.n)),
        Cell(_right(line.reference_right, line.n)),
        Cell(_right(line.other_right, line.n)),
        Cell(fmt.points(line.difference), tones[line.gained > line.lost] if significant else "muted"),
        Cell(f"{line.gained:,} / {line.lost:,}"),
        Cell(fmt.p_value(line.mcnemar_p_holm, alpha)),
    ]


def _right(right: int, n: int) -> str:
    return f"{right:,} ({fmt.percent(right / n, n)})"
