"""Both models' answers to the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from so8t_evaluator.compare.faults import Faults, shown
from so8t_evaluator.compare.log import Answered, Log

_SAID_OF_ROWS = ("gold", "group", "language", "category")
_EXAMPLES = 5


class Pair(NamedTuple):
    """A row with A's and B's answer."""

    row_id: str
    a: Answered
    b: Answered

    @property
    def cluster(self) -> str:
        """The group, or the row itself if it stands alone."""
        return self.a.group or self.b.group or self.row_id


def paired(a: Log, b: Log, faults: Faults) -> list[Pair]:
    """Return the rows in A's order; rows that are not the same on both sides go to `faults`.

    What only one side says of a row, such as its group, holds for both.
    """
    for log, other in ((a, b), (b, a)):
        _report_missing(log, other, faults)
    pairs = [Pair(row_id, row, b.rows[row_id]) for row_id, row in a.rows.items() if row_id in b.rows]
    for pair in pairs:
        for key, ours, theirs in _differences(pair):
            faults.add(f"{shown(ours)} at {pair.a.place}, but {shown(theirs)} at {pair.b.place}", f"{key} of a row")
    return pairs


def _report_missing(log: Log, other: Log, faults: Faults) -> None:
    missing = [row_id for row_id in log.ids if row_id not in other.ids] if log.ids and other.ids else []
    if missing:
        examples = ", ".join(shown(row_id) for row_id in sorted(missing)[:_EXAMPLES])
        more = f" and {len(missing) - _EXAMPLES:,} more" if len(missing) > _EXAMPLES else ""
        faults.add(f"ids in {log.path} that {other.path} lacks: {examples}{more}")


def _differences(pair: Pair) -> Iterator[tuple[str, str, str]]:
    for key in _SAID_OF_ROWS:
        ours, theirs = getattr(pair.a, key), getattr(pair.b, key)
        if ours is not None and theirs is not None and ours != theirs:
            yield key, ours, theirs
