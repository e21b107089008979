"""The writer's side of an audit log. One process writes; a file lock in the folder keeps a second one away.

Each line is with the operating system before the call returns, so a killed process loses at most the line that it is
writing. What is left of that one is replaced, at the next start, by a line that says so.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from so8t_gateway.audit.erasure import lines_of, ranges, rewrite
from so8t_gateway.audit.line import FIRST_PREV, FORMAT, Entry, Line
from so8t_gateway.audit.lock import locked
from so8t_gateway.audit.segments import Segment, segments_of
from so8t_gateway.audit.tail import Tail, damaged, first_line, last_line, read_tail
from so8t_shared.distribution import version
from so8t_shared.files import OWNER_ONLY, make_folder, storage_errors, sync_folder, write_at

_RANGES_PER_LINE = 1000


@dataclass(frozen=True)
class Limits:
    """When a segment is closed, and when it is deleted."""

    segment_bytes: int = 16 << 20
    segment_s: float = 86_400.0
    retention_s: float | None = None
    """Seconds after its last line; None keeps everything."""


@dataclass(frozen=True)
class Head:
    """A line that everything before it leads to: its segment, number and hash."""

    segment: int
    n: int
    hash: str


class AuditLog:
    """An open audit log; not thread-safe. `close` releases it."""

    def __init__(self, folder: Path, limits: Limits | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the log, or begin one; what a crash left is put in order first.

        Raises:
            WriterPresent: another process writes this log.
            IntegrityError: the last segment is damaged.
            StorageError: the folder cannot be written.
        """
        self.folder = folder
        self._limits = limits or Limits()
        self._clock = clock
        self._handle = -1
        self._unsynced = False
        make_folder(folder)
        with storage_errors(folder):
            folder.chmod(0o700)
        self._lock = locked(folder)
        self.closed: list[Head] = []
        """Last lines of the segments closed since the start, for whoever anchors them."""
        try:
            self._resume()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Flush to the disk and let another process write."""
        try:
            self.sync()
        finally:
            self._shut()
            self._lock.release()

    @property
    def id(self) -> str:
        """The log's own name, made up at its start."""
        return self._id

    @property
    def head(self) -> Head:
        """The last line."""
        return Head(self._segment.number, self._n, self._prev)

    @property
    def is_due(self) -> bool:
        """Whether the next line comes into a new segment, for which the disk is waited for."""
        empty = self._n == self._first  # nothing but its first line
        old = self._clock() - self._began >= self._limits.segment_s
        return self._is_closed or self._size >= self._limits.segment_bytes or (old and not empty)

    def append(self, entries: Sequence[Entry]) -> list[Line]:
        """Write a line for each entry, all or none.

        Raises:
            StorageError: they cannot be written; the log is as it was.
        """
        if self.is_due:
            self._next_segment()
        return self._write(entries)

    def sync(self) -> None:
        """Wait until every line is on the disk."""
        self.begin_sync()()

    def begin_sync(self) -> Callable[[], None]:
        """Return what waits until the lines of now are on the disk; meanwhile others may be written."""
        if self._handle < 0 or not self._unsynced:
            return lambda: None
        handle, path, self._unsynced = os.dup(self._handle), self._segment.path, False

        def wait() -> None:
            try:
                with storage_errors(path):
                    getattr(os, "fdatasync", os.fsync)(handle)
            except BaseException:
                self._unsynced = True
                raise
            finally:
                os.close(handle)

        return wait

    def close_if_due(self) -> None:
        """Close the segment if it is old enough, also where no line comes."""
        if self.is_due:
            self._next_segment()

    def retire(self) -> list[int]:
        """Delete the segments that are older than the configuration keeps them; return their numbers.

        Raises:
            IntegrityError: one of them is damaged; it is kept, and so are those behind it.
            StorageError: the folder cannot be written.
        """
        retired: list[int] = []
        if self._limits.retention_s is None:
            return retired
        oldest = _iso(self._clock() - self._limits.retention_s)
        for segment in segments_of(self.folder)[:-1]:
            last = last_line(segment)
            if last is None or str(last.facts.get("time", "")) >= oldest:
                break
            first = first_line(segment)
            if first is None:
                raise damaged(segment, "its first line cannot be read, so it is not deleted")
            facts = {"first": first.n, "hash": last.hash, "last": last.n, "segment": segment.number}
            self.append([Entry("retired", self._timed(facts))])
            self.sync()
            with storage_errors(segment.path):
                segment.path.unlink(missing_ok=True)
            retired.append(segment.number)
        return retired

    def erase(self, users: set[str]) -> int:
        """Erase the persons of all lines with one of these keyed hashes; return the number of lines.

        The erasure is recorded first, so that nothing can be erased without a trace; a crash in between leaves lines
        that `verify` names, and that the same call erases.
        """
        found = lines_of(self.folder, users)
        numbers = [line.n for _, line in found]
        spans = ranges(numbers)
        for start in range(0, len(spans), _RANGES_PER_LINE):
            some = spans[start : start + _RANGES_PER_LINE]
            count = sum(last - first + 1 for first, last in some)
            self.append([Entry("erased", self._timed({"count": count, "lines": some}))])
        self.sync()
        try:
            for segment in sorted({segment for segment, _ in found}):
                rewrite(segment, set(numbers))
        finally:
            self._open(self._segment)
        return len(found)

    def _resume(self) -> None:
        segments = segments_of(self.folder)
        if not segments:
            self._begin_log()
            return
        last = segments[-1]
        tail = read_tail(last)
        if tail.last is not None:
            self._take_over(last, tail)
        elif last.number == 1:  # a crash right after the file was made, or while its first line was written
            self._begin_log()
        else:
            before = read_tail(Segment.numbered(self.folder, last.number - 1))
            if before.first is None or before.last is None or before.last.kind != "close":
                raise damaged(last, "the segment before it has no closing line")
            self._id = str(before.first.facts["log"])
            self._begin_segment(last, before.last.n, before.last.hash)

    def _take_over(self, segment: Segment, tail: Tail) -> None:
        """Continue a segment behind its last whole line."""
        assert tail.first is not None
        assert tail.last is not None
        self._id, self._first, self._began = str(tail.first.facts["log"]), tail.first.n, self._clock()
        with suppress(ValueError, KeyError):
            self._began = datetime.fromisoformat(str(tail.first.facts["time"])).timestamp()
        self._n, self._prev, self._is_closed = tail.last.n, tail.last.hash, tail.last.kind == "close"
        self._open(segment)
        self._size = tail.size_bytes
        if tail.torn:
            facts = {"bytes": len(tail.torn), "sha256": hashlib.sha256(tail.torn).hexdigest()}
            self._write([Entry("torn", self._timed(facts))])
            with storage_errors(segment.path):
                os.ftruncate(self._handle, self._size)

    def _begin_log(self) -> None:
        self._id = uuid.uuid4().hex
        self._begin_segment(Segment.numbered(self.folder, 1), 0, FIRST_PREV)

    def _begin_segment(self, segment: Segment, n: int, prev: str) -> None:
        self._open(segment, new=True)
        self._n, self._prev, self._first = n, prev, n + 1
        self._began, self._is_closed = self._clock(), True  # until its first line is written
        facts = {"format": FORMAT, "log": self._id, "program": version(), "segment": segment.number}
        self._write([Entry("open", self._timed(facts))])
        self._is_closed = False

    def _next_segment(self) -> None:
        """Close the segment, unless that was done before a failure, and begin the next."""
        if not self._is_closed:
            facts = {"count": self._n - self._first + 1, "first": self._first, "last_hash": self._prev}
            self._write([Entry("close", self._timed(facts))])
            self._is_closed = True
            self.sync()
            self.closed.append(self.head)
        number = self._segment.number + (self._size > 0)  # a segment that could not be begun is tried again
        self._begin_segment(Segment.numbered(self.folder, number), self._n, self._prev)

    def _write(self, entries: Sequence[Entry]) -> list[Line]:
        lines: list[Line] = []
        n, prev = self._n, self._prev
        for entry in entries:
            lines.append(Line.after(n, prev, entry))
            n, prev = lines[-1].n, lines[-1].hash
        data = b"".join(line.to_bytes() for line in lines)
        with storage_errors(self._segment.path):
            try:
                write_at(self._handle, data, self._size)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._handle, self._size)
                raise
        self._n, self._prev, self._size, self._unsynced = n, prev, self._size + len(data), True
        return lines

    def _open(self, segment: Segment, *, new: bool = False) -> None:
        """Take this file as the one that grows; a new one is emptied."""
        self._shut()
        own = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)  # a link could have another file emptied
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if new else 0) | own
        with storage_errors(segment.path):
            self._handle = os.open(segment.path, flags, OWNER_ONLY)
            self._size = os.fstat(self._handle).st_size
            sync_folder(self.folder)
        self._segment, self._unsynced = segment, True

    def _shut(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def _timed(self, facts: dict[str, Any]) -> dict[str, Any]:
        return {**facts, "time": _iso(self._clock())}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
