"""Every line of a log in the order of its files, each with the place where it stands and the number of the next one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from so8t_gateway.audit.line import BadLine, Line
from so8t_gateway.audit.segments import TORN, Segment
from so8t_shared.results.audit import AuditFault, FaultKind

_WRITER_PAUSE_S = 0.05


@dataclass(frozen=True)
class Place:
    """A line of a file."""

    segment: Segment
    line: int

    def fault(self, kind: FaultKind, n: int | None, what: str) -> AuditFault:
        """A fault in this line."""
        return AuditFault(kind=kind, segment=self.segment.path.name, line=self.line, n=n, what=what)


@dataclass(frozen=True)
class Item:
    """What stands in a place: a line, or why there is none."""

    place: Place
    line: Line | None
    why: str = ""
    torn: bool = False


def items_of(segments: Sequence[Segment]) -> Iterator[Item]:
    """What stands in these files; the rest of a line at the very end is left out if the writer is completing it."""
    for segment in segments:
        for number, data in enumerate(segment.lines(), start=1):
            place = Place(segment, number)
            if data.endswith(TORN):
                if segment != segments[-1] or _stays_torn(place, data):
                    yield Item(place, None, "the line is not whole", torn=True)
                continue
            try:
                yield Item(place, Line.parse(data))
            except BadLine as error:
                yield Item(place, None, str(error))


def damaged_in(segments: Sequence[Segment]) -> list[AuditFault]:
    """The lines that cannot be read, so that nobody knows whose they are."""
    return [item.place.fault("changed", None, item.why) for item in items_of(segments) if item.line is None]


def with_next(items: Iterable[Item]) -> Iterator[tuple[Item, Item | None]]:
    """Each item with the one behind it."""
    before: Item | None = None
    for item in items:
        if before is not None:
            yield before, item
        before = item
    if before is not None:
        yield before, None


def _stays_torn(place: Place, data: bytes) -> bool:
    time.sleep(_WRITER_PAUSE_S)
    now = list(place.segment.lines())[place.line - 1 :]
    return now[:1] == [data]
