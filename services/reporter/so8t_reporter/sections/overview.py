"""The first screen: the models compared, the headline figures, whether B may ship."""

from __future__ import annotations

from so8t_reporter.charts.lookup import quality_of, side_by_side, speed_of
from so8t_reporter.document import Tile, Tone
from so8t_reporter.inputs import Names
from so8t_reporter.sections.gate import TONES
from so8t_shared import formatting as fmt
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import Decision, GateResult
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.unread import why_unread
from so8t_shared.results.verdicts import WORDS


def verdict_tone(evaluation: EvaluationResult) -> Tone:
    """Return good if B is better, bad if A is better, muted otherwise."""
    return WORDS[evaluation.headline.verdict].tone


def models(names: Names) -> list[tuple[str, str, str]]:
    """Return letter, name and description of both models."""
    return [("A", names.a, names.description_a), ("B", names.b, names.description_b)]


def tiles(evaluation: EvaluationResult) -> list[Tile]:
    """Return tiles for both accuracies, their difference, its p value, both latencies, and the gate."""
    c = evaluation.headline
    d = c.accuracy_difference
    return [
        _accuracy_tile(evaluation, "a"),
        _accuracy_tile(evaluation, "b"),
        Tile(
            "B minus A",
            f"{fmt.points(d.value)} points",
            f"{100 * evaluation.confidence:g}% interval {fmt.points(d.low)} to {fmt.points(d.high)}",
            verdict_tone(evaluation),
        ),
        Tile(
            "Paired test",
            fmt.p_equals(c.p, evaluation.alpha),
            f"{c.only_b_right:,} rows gained, {c.only_a_right:,} lost",
        ),
        _latency_tile(evaluation),
        _gate_tile(evaluation.gate),
    ]


def _accuracy_tile(evaluation: EvaluationResult, side: Side) -> Tile:
    c = evaluation.headline
    right = c.both_right + (c.only_a_right if side == "a" else c.only_b_right)
    quality = quality_of(evaluation, side, c.quantization, c.scoring)
    detail = f"{right:,} of {c.n:,} rows right"
    if quality is not None:
        detail += f", {100 * quality.accuracy.low:.1f} to {100 * quality.accuracy.high:.1f}%"
    if quality is not None and quality.invalid:
        detail += f"; no class read from {quality.invalid:,}{why_unread([quality], evaluation.answer_limit)}"
    accuracy = c.accuracy_a if side == "a" else c.accuracy_b
    return Tile(f"Accuracy of {side.upper()}", fmt.percent(accuracy, c.n), detail, side)


def _latency_tile(evaluation: EvaluationResult) -> Tile:
    label = "Latency p50, A / B"
    speeds = [speed_of(evaluation, side, evaluation.primary_quantization) for side in SIDES]
    medians = [speed.latency_ms_p50 if speed else None for speed in speeds]
    if medians == [None, None]:
        return Tile(label, fmt.UNDEFINED, "nothing was timed", "muted")
    hosts = list(dict.fromkeys(speed.host for speed in speeds if speed))
    value, detail = " / ".join(map(fmt.milliseconds, medians)), f"measured on {' and '.join(hosts)}"
    if not side_by_side(evaluation, evaluation.primary_quantization):
        return Tile(label, value, f"{detail}, not side by side: not comparable", "muted")
    return Tile(label, value, detail)


def _gate_tile(gate: GateResult) -> Tile:
    """The decision without its reasons, which may be long and have a separate list."""
    if gate.passed:
        return Tile("Gate", "passed", gate_words(gate), TONES[gate.result])
    n = len(gate.reasons)
    word = "failed" if gate.result == Decision.FAIL else "undecided"
    return Tile("Gate", word, f"{n:,} {fmt.plural(n, 'clause does', 'clauses do')} not pass", TONES[gate.result])


def gate_words(gate: GateResult) -> str:
    """Say in a few words whether B may ship."""
    return "B may ship" if gate.passed else "B may not ship"
