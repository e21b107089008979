"""The few results of a session that its pages show."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import Decision
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import WORDS, Verdict
from so8t_shared.tables.quantizations import Quantization

METRICS = {"accuracy": "right decisions", "false_allow": "harmful allowed", "over_refusal": "harmless turned away"}
"""The three figures of the report's first screen, in its order."""

_GATE_TONES = {Decision.PASS: "good", Decision.FAIL: "bad", Decision.UNDECIDED: "warn"}


@dataclass(frozen=True)
class Rate:
    """One metric at one quantization, both models."""

    metric: str
    quantization: Quantization
    a: Interval | None
    b: Interval | None


@dataclass(frozen=True)
class Latency:
    """Median latency of both models at one quantization, and B's over A's.

    A median that was measured by an older program, or over too few rows, has no interval.
    """

    quantization: Quantization
    a_ms: Interval | None
    b_ms: Interval | None
    ratio: Interval | None


@dataclass(frozen=True)
class Figures:
    """Results of one conclude stage; with `fault`, its file cannot be read."""

    verdict: Verdict | None = None
    quantization: str = ""
    scoring: str = ""
    gate: Decision | None = None
    reasons: tuple[str, ...] = ()
    confidence: float = 0.95
    rows: int = 0
    rates: tuple[Rate, ...] = ()
    latencies: tuple[Latency, ...] = ()
    gain: Interval | None = None
    quantizations: tuple[Quantization, ...] = ()
    fault: str = ""

    @property
    def title(self) -> str:
        """The verdict in words."""
        return WORDS[self.verdict].title if self.verdict else self.fault

    @property
    def tone(self) -> str:
        """good, bad or muted."""
        return WORDS[self.verdict].tone if self.verdict else "muted"

    @property
    def gate_tone(self) -> str:
        """Tone of the gate's result, which may go against the verdict."""
        return _GATE_TONES[self.gate] if self.gate else "muted"


def figures_of(data: bytes, where: str) -> Figures:
    """What evaluation.json says; one of another program version gives a fault, not an error."""
    try:
        result = EvaluationResult.from_bytes(data, where)
    except NewerFormat:
        return Figures(fault="The results are from a newer program.")
    except IntegrityError:
        return Figures(fault="The results are from another program version.")
    scoring = result.deciding_scoring
    quantizations = tuple(dict.fromkeys(cell.quantization for cell in result.cells))
    found = [(m, q, result.rate(m, q, scoring)) for m in METRICS for q in quantizations]
    accuracy = result.rate("accuracy", result.primary_quantization, scoring)
    return Figures(
        verdict=result.headline.verdict,
        quantization=result.primary_quantization,
        scoring=scoring,
        gate=result.gate.result,
        reasons=tuple(result.gate.reasons),
        confidence=result.confidence,
        rows=result.test_set.n,
        rates=tuple(Rate(m, q, rate.a, rate.b) for m, q, rate in found if rate),
        latencies=tuple(_latency(result, q) for q in quantizations),
        gain=accuracy.difference if accuracy else None,
        quantizations=quantizations,
    )


def _latency(result: EvaluationResult, quantization: Quantization) -> Latency:
    median = {s.model: s.latency_ms_p50 for s in result.speed if s.quantization == quantization}
    found = next((r for r in result.latency_ratios if r.quantization == quantization), None)
    a_ms = found.a_ms if found else None
    b_ms = found.b_ms if found else None
    return Latency(
        quantization,
        a_ms or _alone(median.get("a")),
        b_ms or _alone(median.get("b")),
        found.ratio if found else None,
    )


def _alone(median: float | None) -> Interval | None:
    """A median without an interval."""
    return None if median is None else Interval(value=median, low=median, high=median)
