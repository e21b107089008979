"""Whether a loss smaller than the margin is shown."""

from __future__ import annotations

import pytest

from so8t_evaluator.stats.non_inferiority import non_inferiority
from so8t_shared.results.comparison import NonInferiority


def _check(gained: int, lost: int, rows: int, margin: float = 0.05) -> NonInferiority:
    return non_inferiority(gained=gained, lost=lost, rows=rows, margin=margin, confidence=0.95)


@pytest.mark.parametrize(("rows", "shown"), [(1, False), (15, False), (72, False), (73, True), (500, True)])
def test_no_lost_row(rows: int, shown: bool) -> None:
    """Losing none of a few rows shows nothing; 73 are needed for 5 points, and said where there are fewer."""
    check = _check(0, 0, rows)
    assert check.non_inferior is shown
    assert check.rows_needed == (None if shown else 73)


def test_gained_rows_help() -> None:
    """Where B gains most of the class, few rows are enough; where it gains some, fewer than without."""
    assert _check(8, 0, 15).non_inferior
    assert _check(8, 0, 15).rows_needed is None
    few = _check(1, 0, 15)
    assert not few.non_inferior
    assert few.rows_needed is not None
    assert 15 < few.rows_needed < 73
    assert _check(1, 0, few.rows_needed).non_inferior
    assert not _check(1, 0, few.rows_needed - 1).non_inferior


def test_enough_rows_with_losses() -> None:
    """A class that is large enough and lost rows all the same: no number of rows is asked for."""
    check = _check(0, 10, 100)
    assert (check.non_inferior, check.rows_needed, check.lost) == (False, None, 10)


def test_no_margin() -> None:
    """Without any allowed loss no number of rows without a gain would do, so none is named."""
    assert (_check(0, 0, 50, 0.0).non_inferior, _check(0, 0, 50, 0.0).rows_needed) == (False, None)
    assert _check(9, 0, 50, 0.0).non_inferior


def test_no_row() -> None:
    """Undefined, and neither passed nor failed."""
    check = _check(0, 0, 0)
    assert (check.non_inferior, check.difference) == (None, None)
