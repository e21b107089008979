"""The time left in a progress message."""

from __future__ import annotations

from collections.abc import Iterator

from so8t_shared.progress import Parts, with_time_left


def test_the_time_left() -> None:
    """The pace since the first step counts, not what came before it; the first seconds and the end show none."""
    times: Iterator[float] = iter([100.0, 101.0, 110.0, 119.0])
    seen: list[tuple[int, int, str]] = []
    report = with_time_left(lambda *step: seen.append(step), lambda: next(times))
    for done in (1, 2, 6, 10):
        report(done, 10, "f16")
    assert [(done, total) for done, total, _ in seen] == [(1, 10), (2, 10), (6, 10), (10, 10)]
    assert [message for _, _, message in seen] == ["f16", "f16", "f16, about 8.0 s left", "f16"]


def test_parts_count_as_one() -> None:
    """A part begins where the one before ended, though its total was not known, and the rest is part of the total."""
    seen: list[tuple[int, int]] = []
    parts = Parts(lambda done, total, message: seen.append((done, total)), 4, 2)
    first = parts.next()
    first(0, 10, "")
    first(8, 8, "")
    parts.next()(1, 4, "")
    last = parts.next()
    last(0, 2, "")
    last(2, 2, "")
    assert seen == [(0, 16), (8, 14), (9, 14), (12, 14), (14, 14)]
