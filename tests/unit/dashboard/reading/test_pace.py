"""Estimates of the time left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.unit.dashboard.material import progress

from so8t_dashboard.reading.pace import Pace

BEGAN = datetime(2026, 11, 30, tzinfo=UTC)


def _noted(pace: Pace, second: int, done: int, **changes: object) -> float | None:
    record = progress("train", done=done, total=100, message="")
    pace.note(record.model_copy(update={"time": (BEGAN + timedelta(seconds=second)).isoformat(), **changes}))
    return pace.left_s


def test_the_pace_of_what_was_seen() -> None:
    """The steps that were seen, not those of earlier attempts, tell when the rest will be done."""
    pace = Pace()
    assert _noted(pace, 0, 60) is None
    assert _noted(pace, 10, 70) == 30
    assert _noted(pace, 40, 80) == 40
    assert _noted(pace, 50, 100) == 0


def test_another_attempt() -> None:
    """A new attempt, a new total or an end starts anew."""
    pace = Pace()
    _noted(pace, 0, 10)
    assert _noted(pace, 10, 20) == 80
    assert _noted(pace, 20, 15) is None
    assert _noted(pace, 30, 25) == 75
    assert _noted(pace, 31, 30, attempt=3) is None
    assert _noted(pace, 32, 40, attempt=3, state="done") is None
    assert _noted(pace, 33, 50, attempt=3, time="soon") is None
