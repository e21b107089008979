"""When a running stage will end, by the progress that was seen."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from so8t_shared.sessions.markers import ProgressRecord

_SEEN = 60
"""Progress records that an estimate looks back on."""


class Pace:
    """Progress of one attempt at a stage."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=_SEEN)
        self._attempt = (0, 0)
        self._total = 0

    def note(self, record: ProgressRecord) -> None:
        """Take a record into account; another attempt, or a smaller count, starts anew."""
        moment = _seconds(record.time)
        attempt = (record.attempt, record.pid)
        if moment is None or record.state != "running":
            self._seen.clear()
            return
        if attempt != self._attempt or record.total != self._total or (self._seen and record.done < self._seen[-1][1]):
            self._seen.clear()
            self._attempt, self._total = attempt, record.total
        if not self._seen or record.done > self._seen[-1][1]:
            self._seen.append((moment, record.done))

    @property
    def left_s(self) -> float | None:
        """Seconds to the end, counted from the last record; None before two steps were seen."""
        if len(self._seen) < 2 or not self._total:
            return None
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return (ended - began) / (last - first) * (self._total - last) if last > first else None


def _seconds(iso: str) -> float | None:
    try:
        return datetime.fromisoformat(iso).timestamp()
    except ValueError:
        return None
