"""Rates, and how many are inside."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from so8t_gateway.limits import Inside, TokenBucket


@settings(max_examples=200, deadline=None)
@given(per_minute=st.integers(1, 6000), pauses=st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_a_bucket_keeps_its_rate(per_minute: int, pauses: list[float]) -> None:
    """Never more than the burst and the rate allow; whoever waits as told gets in, and not a moment earlier."""
    now = [0.0]
    bucket = TokenBucket(per_minute, lambda: now[0])
    for taken, pause in enumerate(pauses, start=1):
        now[0] += pause
        wait_s = bucket.take()
        if wait_s:
            assert bucket.take() > 0
            now[0] += wait_s * 0.99
            assert bucket.take() > 0
            now[0] += wait_s * 0.01 + 1e-6
            assert bucket.take() == 0
        assert taken <= max(1, per_minute / 6) + now[0] * per_minute / 60 + 1e-6


def test_inside() -> None:
    """Full is full, and leaving makes room."""
    inside = Inside(2)
    assert [inside.enter() for _ in range(3)] == [True, True, False]
    inside.leave()
    assert [inside.enter() for _ in range(2)] == [True, False]
