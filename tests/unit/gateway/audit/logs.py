"""Small audit logs, and the changes that somebody might make to one."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

from so8t_gateway.audit.anchors import Anchor
from so8t_gateway.audit.line import Entry, Line
from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.segments import segments_of

SEGMENT_BYTES = 2000
"""Half a dozen lines per file."""


def request(number: int, user: str = "u") -> Entry:
    """What a request's line says."""
    return Entry("request", {"class": "ALLOW", "number": number}, {"request": f"r{number}", "user": user})


def make_log(folder: Path, requests: int = 30, users: int = 3, erased: str = "u1") -> Path:
    """A log of several files in which one user was erased."""
    log = AuditLog(folder, Limits(segment_bytes=SEGMENT_BYTES))
    for number in range(requests):
        log.append([request(number, f"u{number % users}")])
        if erased and number == requests // 2:
            log.erase({erased})
    log.close()
    return folder


def lines_in(folder: Path) -> list[tuple[int, int, Line]]:
    """Segment, line in it, and the line."""
    return [
        (segment.number, number, Line.parse(data))
        for segment in segments_of(folder)
        for number, data in enumerate(segment.lines(), start=1)
    ]


def kinds_in(folder: Path) -> list[str]:
    """What the lines are, in order."""
    return [line.kind for _, _, line in lines_in(folder)]


def anchors_of(folder: Path, *numbers: int) -> list[Anchor]:
    """Anchors for these lines."""
    known = {line.n: line for _, _, line in lines_in(folder)}
    return [Anchor(n, known[n].hash, f"audit/x/{n}.json") for n in numbers]


@dataclass(frozen=True)
class Change:
    """What was done to a log, and where that must be found."""

    kinds: set[str]
    segment: int
    line: int


class Vandal:
    """Changes a log at random."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._segments = segments_of(folder)
        self._files = [segment.path.read_bytes().split(b"\n")[:-1] for segment in self._segments]

    def _spot(self) -> tuple[int, int]:
        """Indices of a file and of a line in it."""
        file = self._random.randrange(len(self._files))
        return file, self._random.randrange(len(self._files[file]))

    def _write(self, *files: int) -> None:
        for file in files:
            self._segments[file].path.write_bytes(b"".join(line + b"\n" for line in self._files[file]))

    def _change(self, kinds: set[str], file: int, line: int) -> Change:
        return Change(kinds, self._segments[file].number, line + 1)

    def byte(self) -> Change:
        """One byte of a line becomes another."""
        file, line = self._spot()
        data = bytearray(self._files[file][line])
        place = self._random.randrange(len(data))
        data[place] = self._random.choice([b for b in range(256) if b != data[place]])
        self._files[file][line] = bytes(data)
        self._write(file)
        return self._change({"changed"}, file, line)

    def space(self) -> Change:
        """A blank is put where JSON does not care."""
        file, line = self._spot()
        self._files[file][line] = self._files[file][line].replace(b'"n":', b'"n": ', 1)
        self._write(file)
        return self._change({"changed"}, file, line)

    def delete(self) -> Change:
        """A line is taken out, but for the last one of the log, whose loss no anchor shows yet."""
        file, line = self._spot()
        if (file, line) == (len(self._files) - 1, len(self._files[-1]) - 1):
            line -= 1
        at_end = line == len(self._files[file]) - 1
        del self._files[file][line]
        self._write(file)
        return self._change({"truncated"} if at_end else {"missing"}, file, line)

    def swap(self) -> Change:
        """Two lines of a file change places."""
        file, _ = self._spot()
        one, two = sorted(self._random.sample(range(len(self._files[file])), 2))
        lines = self._files[file]
        lines[one], lines[two] = lines[two], lines[one]
        self._write(file)
        return self._change({"reordered"}, file, one)

    def copy(self) -> Change:
        """A line is put in once more before another one; of two equal neighbors the second one is too much."""
        source, (file, line) = self._spot(), self._spot()
        line = max(line, 1)
        self._files[file].insert(line, self._files[source[0]][source[1]])
        self._write(file)
        return self._change({"duplicated"}, file, line + (source == (file, line)))

    def cut(self) -> Change:
        """A file ends in the middle of a line."""
        file, line = self._spot()
        whole = self._files[file]
        rest = whole[line][: self._random.randrange(1, len(whole[line]))]
        self._segments[file].path.write_bytes(b"".join(each + b"\n" for each in whole[:line]) + rest)
        return self._change({"torn"} if file == len(self._files) - 1 else {"truncated"}, file, line)

    def rehash(self) -> Change:
        """A line says something else and has the right hash; of the last two lines, nobody can tell which it was."""
        file, line = self._spot()
        if file == len(self._files) - 1:
            file, line = 0, 2
        old = Line.parse(self._files[file][line])
        facts = {**old.facts, "number": 10**6}
        person = old.person if old.person is not None else {"user": "x"}
        new = Line.after(old.n - 1, old.prev, Entry(old.kind, facts, person))  # type: ignore[arg-type]
        self._files[file][line] = new.to_bytes()[:-1]
        self._write(file)
        return self._change({"changed"}, file, line)

    def relink(self) -> Change:
        """A line names another one before it, and has the right hash for that."""
        file, line = self._spot()
        if (file, line) == (0, 0):
            line = 1
        old = Line.parse(self._files[file][line])
        new = Line.after(old.n - 1, "f" * 64, Entry(old.kind, old.facts, {"user": "x"}))  # type: ignore[arg-type]
        self._files[file][line] = new.to_bytes()[:-1]
        self._write(file)
        return self._change({"changed"}, file, line)

    def remove(self) -> Change:
        """A file is deleted, but for the last one, whose loss only anchors show."""
        file = self._random.randrange(len(self._files) - 1)
        self._segments[file].path.unlink()
        return Change({"missing"}, self._segments[file + 1].number, 0 if file else 1)

    def hide(self) -> Change:
        """A person is erased without a record."""
        choices = [
            (f, i) for f, lines in enumerate(self._files) for i, data in enumerate(lines) if Line.parse(data).person
        ]
        file, line = self._random.choice(choices)
        self._files[file][line] = Line.parse(self._files[file][line]).without_person().to_bytes()[:-1]
        self._write(file)
        return self._change({"erased"}, file, line)


def rewrite_from(folder: Path, n: int) -> None:
    """Change line `n` and give every line behind it the hashes that fit, as the writer itself could."""
    prev = ""
    for segment in segments_of(folder):
        written = []
        for data in segment.lines():
            line = Line.parse(data)
            if line.n >= n:
                facts = {**line.facts, "class": "ESCALATION"} if line.n == n else line.facts
                line = replace(line, facts=facts, prev=prev or line.prev)
                line = replace(line, hash=line._computed())
                prev = line.hash
            written.append(line.to_bytes())
        segment.path.write_bytes(b"".join(written))


EVERY_CHANGE = [name for name, what in vars(Vandal).items() if not name.startswith("_") and callable(what)]
