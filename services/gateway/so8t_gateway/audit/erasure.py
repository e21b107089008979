"""One user's lines: found by the keyed hash, and erased by rewriting the files they are in.

The new file replaces the old one in one step. What a disk or a backup still holds of the old one is not reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from so8t_gateway.audit.line import BadLine, Line
from so8t_gateway.audit.segments import TORN, Segment, segments_of
from so8t_shared.files import OWNER_ONLY, write_atomically


def lines_of(folder: Path, users: set[str]) -> list[tuple[Segment, Line]]:
    """The lines whose person has one of these keyed hashes, in order."""
    marks = [user.encode() for user in users]
    return [
        (segment, line)
        for segment in segments_of(folder)
        for data in segment.lines()
        if any(mark in data for mark in marks) and (line := _parsed(data)) is not None and _user_of(line) in users
    ]


def rewrite(segment: Segment, numbers: set[int]) -> None:
    """Erase the persons of these lines in a file.

    Raises:
        StorageError: the disk is full or not ours; the file is as it was.
    """
    lines = (_erased(data, numbers) for data in segment.lines())
    write_atomically(segment.path, b"".join(lines), OWNER_ONLY)


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers as [first, last] of each run."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def _erased(data: bytes, numbers: set[int]) -> bytes:
    line = None if data.endswith(TORN) else _parsed(data)
    if line is None:
        return data.removesuffix(TORN) + (b"" if data.endswith(TORN) else b"\n")
    return line.without_person().to_bytes() if line.n in numbers else data + b"\n"


def _parsed(data: bytes) -> Line | None:
    try:
        return Line.parse(data)
    except BadLine:
        return None


def _user_of(line: Line) -> object:
    return line.person.get("user") if line.person else None
