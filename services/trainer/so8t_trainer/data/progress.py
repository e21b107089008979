"""How a long look at many rows tells where it is, and can be ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

Progress = Callable[[int, int, str], None]
"""Told how many of how many rows are done, and with what; it may raise to end the work."""

_ROWS_BETWEEN_REPORTS = 200


def no_progress(done: int, total: int, message: str) -> None:
    """Say nothing."""


def reported(rows: Sequence[Item], progress: Progress, message: str) -> Iterator[tuple[int, Item]]:
    """Position and row, one after the other, with a report now and then: none at all about a few rows."""
    for position, row in enumerate(rows):
        if position and position % _ROWS_BETWEEN_REPORTS == 0:
            progress(position, len(rows), message)
        yield position, row
