"""Non-inferiority: evidence, not lack of evidence, that B is worse than A by less than a margin.

The lower end of the score interval of the paired difference must lie above minus the margin
(Tango, Statistics in Medicine 17, 1998). A 95% interval makes it a one-sided test at 2.5%.
"""

from __future__ import annotations

from so8t_evaluator.stats.tango import lies_above, score_interval
from so8t_shared.results.comparison import NonInferiority


def non_inferiority(*, gained: int, lost: int, rows: int, margin: float, confidence: float) -> NonInferiority:
    """Check `rows` paired answers; only B got `gained` of them right and only A got `lost` right.

    Undefined without rows.
    """
    difference = score_interval(lost, gained, rows, confidence) if rows else None
    return NonInferiority(
        rows=rows,
        gained=gained,
        lost=lost,
        difference=difference,
        margin=margin,
        non_inferior=None if difference is None else difference.low > -margin,
        rows_needed=_rows_needed(gained, rows, margin, confidence),
    )


def _rows_needed(gained: int, rows: int, margin: float, confidence: float) -> int | None:
    """Return the rows needed with as many gained and none lost; None if `rows` suffice or none can (margin 0)."""
    if lies_above(0, gained, max(rows, gained, 1), -margin, confidence):
        return None
    if margin == 0:
        return None
    needed = max(rows, 1)
    while not lies_above(0, gained, needed, -margin, confidence):
        needed += 1
    return needed
