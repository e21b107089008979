"""Latency, time to first token, decoding rate and memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.evaluator.material import make_sample

from so8t_evaluator.speed import make_speed
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import Speed


def _sample(**other: Any) -> Sample:
    return make_sample("r", "DENY", "DENY", **other)


def _speed(samples: list[Sample]) -> Speed:
    return make_speed(samples, peak_memory_bytes=7, file_size_bytes=9)


def test_percentiles() -> None:
    """Medians and 95th percentiles as numpy has them."""
    latency, ttft = [10.0, 30.0, 20.0, 100.0], [1.0, 4.0, 2.0, 3.0]
    found = _speed([_sample(latency_ms=x, ttft_ms=t) for x, t in zip(latency, ttft, strict=True)])
    assert (found.latency_ms_p50, found.latency_ms_p95) == pytest.approx(tuple(np.percentile(latency, [50, 95])))
    assert (found.ttft_ms_p50, found.ttft_ms_p95) == pytest.approx(tuple(np.percentile(ttft, [50, 95])))
    assert (found.n, found.peak_memory_bytes, found.file_size_bytes) == (4, 7, 9)


def test_decoding_rate() -> None:
    """Tokens after the first by the engine's time for them: 4 in 80 ms are 50 a second, whatever other clocks say."""
    found = _speed([_sample(completion_tokens=5, decode_ms=80.0, latency_ms=100.0, ttft_ms=99.999)])
    assert found.tokens_per_s == pytest.approx(50)


@pytest.mark.parametrize("other", [{"completion_tokens": 1}, {"decode_ms": None}, {"decode_ms": 0.0}])
def test_no_rate(other: dict[str, Any]) -> None:
    """One token, or no time after it, is no rate, and does not spoil those of others."""
    assert _speed([_sample(**other)]).tokens_per_s is None
    assert _speed([_sample(**other), _sample()]).tokens_per_s == pytest.approx(50)


def test_over_long_rows_do_not_count() -> None:
    """Their latency of 0 is not a measurement."""
    long = _sample(over_long=True, latency_ms=0.0, ttft_ms=None, completion_tokens=0)
    found = _speed([long, _sample(), long])
    assert (found.n, found.latency_ms_p50) == (1, 100.0)
    assert _speed([long]).latency_ms_p50 is None


def test_reused_and_hosts() -> None:
    """Measurements of earlier runs are counted, and every machine is named."""
    found = _speed([_sample(host="y", reused=True), _sample(host="x"), _sample(host="y")])
    assert (found.reused, found.host) == (1, "x, y")


def test_disturbed_measurements_are_left_out() -> None:
    """They are counted and are part of no figure; where nothing is known of other work, the count is not known."""
    quiet = [_sample(disturbed=False, latency_ms=240.0, ttft_ms=10.0, decode_ms=80.0) for _ in range(3)]
    loud = _sample(disturbed=True, latency_ms=1000.0, ttft_ms=500.0, decode_ms=500.0)
    found, alone = _speed([*quiet, loud]), _speed(quiet)
    assert (found.n, found.disturbed, alone.disturbed) == (4, 1, 0)
    assert (found.latency_ms_p95, found.ttft_ms_p95, found.tokens_per_s) == (240.0, 10.0, alone.tokens_per_s)
    assert (_speed([loud]).n, _speed([loud]).latency_ms_p50) == (1, None)
    assert _speed([_sample()]).disturbed is None
