"""Where a log continues: the last segment, checked line by line, and what a crash left behind its last whole line."""

from __future__ import annotations

import os
from dataclasses import dataclass

from so8t_gateway.audit.line import BadLine, Line
from so8t_gateway.audit.segments import TORN, Segment
from so8t_shared.errors import IntegrityError
from so8t_shared.files import storage_errors

_LAST_BYTES = 1 << 16


@dataclass(frozen=True)
class Tail:
    """First and last whole line of a segment, their size, and the rest of a line behind them."""

    first: Line | None
    last: Line | None
    size_bytes: int
    torn: bytes


def read_tail(segment: Segment) -> Tail:
    """Check a whole segment, and return its end.

    Raises:
        IntegrityError: a line is not what was written, or not in its place.
    """
    first: Line | None = None
    last: Line | None = None
    size_bytes, torn = 0, b""
    for number, data in enumerate(segment.lines(), start=1):
        if data.endswith(TORN):
            torn = data.removesuffix(TORN)
            break
        last = _following(segment, number, data, last)
        first = first or last
        size_bytes += len(data) + 1
    if torn and last is not None and last.kind == "close":
        raise damaged(segment, "text follows its closing line")
    return Tail(first, last, size_bytes, torn)


def first_line(segment: Segment) -> Line | None:
    """The first line of a segment; None if it is not a whole, unchanged line."""
    try:
        return Line.parse(next(iter(segment.lines()), b""))
    except BadLine:
        return None


def last_line(segment: Segment) -> Line | None:
    """The last line of a segment, without reading all of it; None if it is not a whole, unchanged line."""
    with storage_errors(segment.path), segment.path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES))
        lines = file.read().split(b"\n")
    try:
        return Line.parse(lines[-2]) if len(lines) > 1 and lines[-1] == b"" else None
    except BadLine:
        return None


def _following(segment: Segment, number: int, data: bytes, before: Line | None) -> Line:
    try:
        line = Line.parse(data)
    except BadLine as error:
        raise damaged(segment, f"line {number}: {error}") from error
    fits = line.kind == "open" if before is None else (line.n, line.prev) == (before.n + 1, before.hash)
    if not fits:
        raise damaged(segment, f"line {number} does not follow the one before it")
    return line


def damaged(segment: Segment, why: str) -> IntegrityError:
    """The error for a segment that is not as it was written."""
    return IntegrityError(
        f"The audit log is damaged: {why}.",
        where=str(segment.path),
        remedy="keep the folder as evidence (see 'so8t-ab audit verify'), and set another think.audit.folder",
    )
