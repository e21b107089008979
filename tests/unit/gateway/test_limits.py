"""Rates, and how many are inside."""

from __future__ import annotations

from so8t_gateway.limits import Inside, bucket_of


def test_a_sixth_of_a_minute_may_come_at_once() -> None:
    """After that, the rate decides."""
    now = [0.0]
    bucket = bucket_of(60, lambda: now[0])
    assert [bucket.take() for _ in range(11)] == [0.0] * 10 + [1.0]


def test_inside() -> None:
    """Full is full, and leaving makes room."""
    inside = Inside(2)
    assert [inside.enter() for _ in range(3)] == [True, True, False]
    inside.leave()
    assert [inside.enter() for _ in range(2)] == [True, False]
