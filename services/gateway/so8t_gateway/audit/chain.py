"""Follows the lines of a log and names what is not in its place or does not fit the line before it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from so8t_gateway.audit.line import FIRST_PREV, Line
from so8t_gateway.audit.reading import Item, Place
from so8t_gateway.audit.segments import Segment
from so8t_shared.results.audit import AuditFault, FaultKind


@dataclass(frozen=True)
class Misplaced:
    """Lines that are not where they belong; whether they were lost, moved or copied is known at the end."""

    place: Place
    first: int
    last: int
    absent: bool
    """True if they are missing before this place, False if they stand in it and do not belong there."""


@dataclass(frozen=True)
class _Suspect:
    """Two lines that do not fit together; the line after them tells which one was changed."""

    before: Place
    place: Place
    line: Line


@dataclass
class Chain:
    """The state after some lines."""

    faults: list[AuditFault] = field(default_factory=list)
    misplaced: list[Misplaced] = field(default_factory=list)
    first: Line | None = None
    expected: int = 0
    """Number of the next line; 0 if any may come first."""
    _unread: int = 0
    """Lines since then that could not be read."""
    _known: dict[int, tuple[str, Place]] = field(default_factory=dict)
    """Hashes of the last line in its place, and of lines out of their places."""
    _suspect: _Suspect | None = None

    @classmethod
    def starting_with(cls, segment: Segment) -> Chain:
        """The state before the first segment that is left."""
        whole = segment.number == 1
        return cls(expected=1, _known={0: (FIRST_PREV, Place(segment, 1))}) if whole else cls()

    def follow(self, item: Item, after: Item | None) -> None:
        """Take the next item; `after` is the one behind it."""
        if item.line is None:
            kind: FaultKind = "changed" if not item.torn else "torn" if after is None else "truncated"
            self.faults.append(item.place.fault(kind, self.expected + self._unread or None, item.why))
            self._unread += 1
            return
        line, upcoming = item.line, after.line.n if after and after.line else None
        self.first = self.first or line
        self.expected = self.expected or max(line.n - self._unread, 1)
        if self._is_in_place(item.place, line, upcoming):
            self._compare(item.place, line)
            self.expected, self._unread = line.n + 1, 0
            self._known = {n: known for n, known in self._known.items() if n > line.n}
        self._known[line.n] = (line.hash, item.place)

    def end(self) -> None:
        """Settle what only the end of the log tells."""
        self._settle(None)
        self.expected += self._unread

    def _is_in_place(self, place: Place, line: Line, upcoming: int | None) -> bool:
        expected = self.expected + self._unread
        if self.expected <= line.n <= expected:
            return True
        if upcoming in {expected, expected + 1} or line.n < expected:  # the others go on as if this line were not here
            self._out_of_place(place, line)
            self._unread += upcoming == expected + 1
            return False
        self.misplaced.append(Misplaced(place, expected, line.n - 1, absent=True))
        return True

    def _out_of_place(self, place: Place, line: Line) -> None:
        """Note a line that stands where another belongs; a whole run of them is one."""
        if self.misplaced:
            run = self.misplaced[-1]
            behind = (place.segment, place.line) == (run.place.segment, run.place.line + run.last - run.first + 1)
            if not run.absent and behind and line.n == run.last + 1:
                self.misplaced[-1] = replace(run, last=line.n)
                return
        self.misplaced.append(Misplaced(place, line.n, line.n, absent=False))

    def _compare(self, place: Place, line: Line) -> None:
        """Compare `prev` with the hash of the line before."""
        self._settle(line)
        known = self._known.get(line.n - 1)
        if known and known[0] != line.prev:
            self._suspect = _Suspect(known[1], place, line)

    def _settle(self, following: Line | None) -> None:
        suspect, self._suspect = self._suspect, None
        if suspect is None:
            return
        line = suspect.line
        second = following is None or (following.n == line.n + 1 and following.prev != line.hash)
        if second:
            self.faults.append(suspect.place.fault("changed", line.n, "it does not follow the line before it"))
        else:
            self.faults.append(suspect.before.fault("changed", line.n - 1, "the next line has another hash for it"))
