"""Rates."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from so8t_shared.token_bucket import TokenBucket

PER_S = st.floats(0.01, 100)
PAUSES = st.lists(st.floats(0, 30), min_size=1, max_size=60)


@settings(max_examples=200)
@given(per_s=PER_S, most=st.floats(0, 1000), pauses=PAUSES)
def test_a_bucket_keeps_its_rate(per_s: float, most: float, pauses: list[float]) -> None:
    """It gives no more than burst and rate allow; after the wait that it names there is a token, and none before."""
    now = [0.0]
    bucket = TokenBucket(per_s, most, lambda: now[0])
    for taken, pause in enumerate(pauses, start=1):
        now[0] += pause
        wait_s = bucket.take()
        if wait_s:
            assert bucket.take() > 0
            now[0] += wait_s * 0.99
            assert bucket.take() > 0
            now[0] += wait_s * 0.01 + 1e-6
            assert bucket.take() == 0
        assert taken <= max(1.0, most) + now[0] * per_s + 1e-6


@settings(max_examples=200)
@given(per_s=PER_S, most=st.floats(0, 1000), pauses=PAUSES)
def test_booked_ones_come_at_the_rate(per_s: float, most: float, pauses: list[float]) -> None:
    """However many are booked at once, so many are used by any moment as the burst and the rate allow."""
    now = [0.0]
    bucket = TokenBucket(per_s, most, lambda: now[0])
    used = []
    for pause in pauses:
        now[0] += pause
        used.append(now[0] + bucket.book())
    for moment in used:
        assert sum(each <= moment for each in used) <= max(1.0, most) + moment * per_s + 1e-6
