"""Latency, time to first token, decoding rate and memory from samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import Speed


def make_speed(
    samples: Sequence[Sample],
    *,
    peak_memory_bytes: int | None,
    file_size_bytes: int,
    gpu_memory_bytes: int | None = None,
    interleaved: bool = True,
) -> Speed:
    """Compute the cost of one model at one quantization.

    Over-long rows were not asked and do not count. Measurements that other work disturbed are counted, but no figure
    is made of them: they say more about that work than about the model.
    """
    asked = [s for s in samples if not s.over_long]
    first = samples[0]
    good = [s for s in asked if not s.disturbed]
    latency = [s.latency_ms for s in good]
    ttft = [s.ttft_ms for s in good if s.ttft_ms is not None]
    rates = [rate for s in good if (rate := _decoding_rate(s)) is not None]
    return Speed(
        model=first.model,
        quantization=first.quantization,
        host=", ".join(sorted({s.host for s in samples})),
        n=len(asked),
        reused=sum(s.reused for s in asked),
        disturbed=None if any(s.disturbed is None for s in asked) else len(asked) - len(good),
        interleaved=interleaved,
        latency_ms_p50=_percentile(latency, 50),
        latency_ms_p95=_percentile(latency, 95),
        ttft_ms_p50=_percentile(ttft, 50),
        ttft_ms_p95=_percentile(ttft, 95),
        tokens_per_s=_percentile(rates, 50),
        peak_memory_bytes=peak_memory_bytes,
        gpu_memory_bytes=gpu_memory_bytes,
        file_size_bytes=file_size_bytes,
    )


def _decoding_rate(sample: Sample) -> float | None:
    """Return tokens per second after the first one; None if there is no second token.

    Uses the engine's own time for these tokens, because the difference of two times may mix clocks.
    """
    if sample.completion_tokens < 2 or not sample.decode_ms:
        return None
    return 1000 * (sample.completion_tokens - 1) / sample.decode_ms


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
