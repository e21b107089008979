"""Progress reports for a long pass over many rows, which can also stop it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from so8t_shared.progress import Progress

Item = TypeVar("Item")

_ROWS_BETWEEN_REPORTS = 200


def few(rows: int) -> bool:
    """Whether a pass over so many rows needs no report."""
    return rows <= _ROWS_BETWEEN_REPORTS


def reported(rows: Sequence[Item], progress: Progress, message: str) -> Iterator[tuple[int, Item]]:
    """Yield position and row, with an occasional progress report; few rows give none."""
    for position, row in enumerate(rows):
        if position and position % _ROWS_BETWEEN_REPORTS == 0:
            progress(position, len(rows), message)
        yield position, row
