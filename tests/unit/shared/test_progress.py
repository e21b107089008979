"""The time left in a progress message."""

from __future__ import annotations

from collections.abc import Iterator

from so8t_shared.progress import with_time_left


def test_the_time_left() -> None:
    """The pace since the first step counts, not what came before it; the first seconds and the end show none."""
    times: Iterator[float] = iter([100.0, 101.0, 110.0, 119.0])
    seen: list[tuple[int, int, str]] = []
    report = with_time_left(lambda *step: seen.append(step), lambda: next(times))
    for done in (1, 2, 6, 10):
        report(done, 10, "f16")
    assert [(done, total) for done, total, _ in seen] == [(1, 10), (2, 10), (6, 10), (10, 10)]
    assert [message for _, _, message in seen] == ["f16", "f16", "f16, about 8.0 s left", "f16"]
