"""B's latency over A's on the rows on which both were timed, one request at a time and in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from so8t_evaluator.outcomes import Answers
from so8t_evaluator.paired import Setting
from so8t_evaluator.stats.median import fewest_values, median_interval
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.interval import Interval
from so8t_shared.results.latency import LatencyRatio

Pair = tuple[Sample, Sample]


def latency_ratios(answers: Mapping[Setting, Answers], asking: Asking, confidence: float) -> list[LatencyRatio]:
    """Return a line for each setting in which both models were timed."""
    apart = {speed.quantization for speed in asking.speed if not speed.interleaved}
    timed = [_timed(answers["a", q, s], answers["b", q, s]) for q in asking.quantizations for s in asking.scorings]
    return [_ratio(pairs, confidence, together=pairs[0][0].quantization not in apart) for pairs in timed if pairs]


def _timed(a: Sequence[Sample], b: Sequence[Sample]) -> list[Pair]:
    return [pair for pair in zip(a, b, strict=True) if all(s.timed and not s.over_long for s in pair)]


def _ratio(pairs: Sequence[Pair], confidence: float, *, together: bool) -> LatencyRatio:
    good = [pair for pair in pairs if not any(s.disturbed for s in pair)]
    groups = [pair[0].cluster for pair in good]
    ratio = _median(groups, [b.latency_ms / a.latency_ms for a, b in good], confidence)
    why = ""
    if not together:
        ratio, why = None, "A and B were not timed in turns"
    elif ratio is None:
        count, fewest = len(set(groups)), fewest_values(confidence)
        why = f"{count:,} undisturbed groups are too few, {fewest:,} are needed"
    return LatencyRatio(
        quantization=pairs[0][0].quantization,
        scoring=pairs[0][0].scoring,
        ratio=ratio,
        a_ms=_median(groups, [a.latency_ms for a, _ in good], confidence),
        b_ms=_median(groups, [b.latency_ms for _, b in good], confidence),
        undefined=why,
        disturbed=len(pairs) - len(good),
        seconds=sum(s.latency_ms for pair in good for s in pair) / 1000,
    )


def _median(groups: Sequence[str], values: Sequence[float], confidence: float) -> Interval | None:
    """Rows of a group are not independent, so the median of its rows stands for a group."""
    by_group: dict[str, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        by_group.setdefault(group, []).append(float(np.log(value)))
    ends = median_interval(np.array([np.median(logs) for logs in by_group.values()]), confidence)
    if ends is None:
        return None
    middle, low, high = map(float, np.exp(ends))
    return Interval(value=middle, low=low, high=high, rows=len(values), groups=len(by_group))
