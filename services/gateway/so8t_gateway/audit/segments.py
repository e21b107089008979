"""The files of an audit log: 00000001.jsonl, 00000002.jsonl and so on in one folder; only the last one grows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.files import storage_errors

_NAME = re.compile(r"(\d{8})\.jsonl")


@dataclass(frozen=True, order=True)
class Segment:
    """One file of the log."""

    number: int
    path: Path

    @classmethod
    def numbered(cls, folder: Path, number: int) -> Segment:
        """The segment with this number, whether it exists or not."""
        return cls(number, folder / f"{number:08d}.jsonl")

    def lines(self) -> Iterator[bytes]:
        """Its lines without their line feeds; if the last one has none, it comes with the mark `TORN` behind it."""
        with storage_errors(self.path), self.path.open("rb") as file:
            for line in file:
                yield line[:-1] if line.endswith(b"\n") else line + TORN


TORN = b"\n"
"""Behind the rest of a line that has no line feed; no other line holds one."""


def segments_of(folder: Path) -> list[Segment]:
    """The segments that exist, in order."""
    with storage_errors(folder):
        found = [(each, _NAME.fullmatch(each.name)) for each in folder.iterdir()] if folder.is_dir() else []
    return sorted(Segment(int(name[1]), path) for path, name in found if name)
