"""Look up measurements for a picture by model, quantization and scoring."""

from __future__ import annotations

from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult, Quality, Speed
from so8t_shared.results.rates import Rate
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


def quality_of(
    evaluation: EvaluationResult, side: Side, quantization: Quantization, scoring: Scoring
) -> Quality | None:
    """Return the quality of one model in one setting, or None if it was not measured."""
    wanted = (side, quantization, scoring)
    return next((c for c in evaluation.cells if (c.model, c.quantization, c.scoring) == wanted), None)


def decided_quality_of(
    evaluation: EvaluationResult, side: Side, quantization: Quantization, scoring: Scoring
) -> Quality | None:
    """Return the quality as above, also None if most answers could not be read: their accuracy says nothing."""
    quality = quality_of(evaluation, side, quantization, scoring)
    return None if quality is None or quality.mostly_unread else quality


def comparison_of(evaluation: EvaluationResult, quantization: Quantization, scoring: Scoring) -> Comparison | None:
    """Return the comparison of B with A in one setting, or None if it was not measured."""
    wanted = (quantization, scoring)
    return next((c for c in evaluation.comparisons if (c.quantization, c.scoring) == wanted), None)


def is_headline(rate: Rate, evaluation: EvaluationResult) -> bool:
    """Whether a rate is of all rows in the deciding setting."""
    deciding = (evaluation.primary_quantization, evaluation.primary_scoring)
    return rate.by == "all" and (rate.quantization, rate.scoring) == deciding


def speed_of(evaluation: EvaluationResult, side: Side, quantization: Quantization) -> Speed | None:
    """Return the cost of one model at one quantization, from the host with the most rows."""
    found = [s for s in evaluation.speed if (s.model, s.quantization) == (side, quantization)]
    return max(found, key=lambda s: s.n, default=None)


def side_by_side(evaluation: EvaluationResult, quantization: Quantization) -> bool:
    """Whether A and B took turns while they were timed, so that drift on the machine favors neither."""
    return all(s.interleaved for s in evaluation.speed if s.quantization == quantization)


def not_side_by_side(evaluation: EvaluationResult) -> str:
    """Say where and why A and B were timed apart; empty if they never were."""
    apart = [s for s in evaluation.speed if not s.interleaved and s.latency_ms_p50 is not None]
    if not apart:
        return ""
    places = ", ".join(dict.fromkeys(s.quantization for s in apart))
    old = [f"{s.reused:,} of {s.n:,} rows of {s.model.upper()} at {s.quantization}" for s in apart if s.reused]
    why = f"reused from earlier runs: {', '.join(old)}" if old else "both did not fit in memory at once"
    return f"A and B were not timed side by side at {places} ({why})"


def hosts_of(evaluation: EvaluationResult) -> list[str]:
    """Return the names of the hosts on which speed was measured, A's first, without duplicates.

    A measurement with rows from several hosts names all of them, separated by commas.
    """
    ordered = sorted(evaluation.speed, key=lambda s: s.model)
    return list(dict.fromkeys(host for s in ordered for host in s.host.split(", ")))
