"""How a long look at many rows tells where it is, and can be ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from so8t_shared.progress import Progress

Item = TypeVar("Item")

_ROWS_BETWEEN_REPORTS = 200


def reported(rows: Sequence[Item], progress: Progress, message: str) -> Iterator[tuple[int, Item]]:
    """Position and row, one after the other, with a report now and then: none at all about a few rows."""
    for position, row in enumerate(rows):
        if position and position % _ROWS_BETWEEN_REPORTS == 0:
            progress(position, len(rows), message)
        yield position, row
