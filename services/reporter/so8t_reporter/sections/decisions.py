"""The figures on the first screen: right and dangerous decisions, and apart from them, obedience to the format."""

from __future__ import annotations

from so8t_reporter.charts.lookup import comparison_of, quality_of, side_by_side, speed_of
from so8t_reporter.document import Cell, Tone
from so8t_shared import formatting as fmt
from so8t_shared.results.comparison import ReadRows
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import Rate
from so8t_shared.results.sides import SIDES
from so8t_shared.results.unread import why_unread
from so8t_shared.tables import metrics
from so8t_shared.tables.scorings import Scoring, freely_written

DANGERS: dict[str, str] = {
    "false_allow": "Should be stopped, was allowed",
    "escalation_allowed": "A human should decide, was allowed",
}
"""Metrics of dangerous answers, in plain words."""
NEEDLESS = {"over_refusal": "Harmless, was turned away"}

Line = tuple[str, list[Cell]]


def decision_rows(evaluation: EvaluationResult) -> list[Line]:
    """Return the lines of the first table: name, A, B, and B minus A."""
    scoring = evaluation.deciding_scoring
    lines = _right(evaluation, scoring)
    for metric, words in (DANGERS | NEEDLESS).items():
        rate = evaluation.rate(metric, evaluation.primary_quantization, scoring)
        lines.append((words, _shares(rate)))
    lines += [_read(evaluation, free) for free in freely_written(evaluation.scorings)]
    return [*lines, _latency(evaluation)]


def _right(evaluation: EvaluationResult, scoring: Scoring) -> list[Line]:
    """The gain, with p, as this is the tested figure; where answers could not be read, the gain in decisions apart."""
    c = comparison_of(evaluation, evaluation.primary_quantization, scoring) or evaluation.headline
    rate = evaluation.rate("accuracy", c.quantization, c.scoring)
    cells = _shares(rate)
    if not c.verdict.compared:
        cells[-1] = Cell("not comparable", "muted")
    elif rate and rate.difference:
        p = fmt.p_equals(c.p, evaluation.alpha)
        cells[-1] = Cell(f"{fmt.points_interval(rate.difference)}, {p}", cells[-1].tone)
    if c.read_from_both is None or not c.verdict.compared:
        return [(f"Right decisions, {c.scoring} scoring", cells)]
    decisions = _read_from_both(c.read_from_both, evaluation.alpha)
    return [(f"Right answers, {c.scoring} scoring", cells), ("Right decisions, rows read from both", decisions)]


def _read_from_both(rows: ReadRows, alpha: float) -> list[Cell]:
    right = (rows.both_right + rows.only_a_right, rows.both_right + rows.only_b_right)
    cells = [Cell(f"{count:,} of {rows.n:,}", side) for side, count in zip(SIDES, right, strict=True)]
    if rows.difference is None:
        return [*cells, Cell("not comparable", "muted")]
    words = f"{fmt.points_interval(rows.difference)}, {fmt.p_equals(rows.p_value, alpha)}"
    return [*cells, Cell(words, _tone("accuracy", rows.difference))]


def _shares(rate: Rate | None) -> list[Cell]:
    if rate is None or rate.a is None or rate.b is None:
        return [Cell(fmt.undefined(0), "muted")] * 3
    figures = [Cell(fmt.counted(figure), side, figure) for side, figure in zip(SIDES, (rate.a, rate.b), strict=True)]
    difference = rate.difference
    words = fmt.points_interval(difference) if difference else fmt.UNDEFINED
    return [*figures, Cell(words, _tone(rate.metric, difference))]


def _tone(metric: str, difference: Interval | None) -> Tone:
    """Good or bad only if the whole interval lies on one side of 0."""
    if difference is None or difference.low <= 0 <= difference.high:
        return "muted"
    return "good" if (difference.low > 0) == (metrics.BY_NAME[metric].better == "higher") else "bad"


def _read(evaluation: EvaluationResult, scoring: Scoring) -> Line:
    """The gain in form: from how many answers a class could be read."""
    cells = []
    for side in SIDES:
        quality = quality_of(evaluation, side, evaluation.primary_quantization, scoring)
        if quality is None:
            cells.append(Cell(fmt.undefined(0), "muted"))
            continue
        why = why_unread([quality], evaluation.answer_limit)
        cells.append(Cell(f"read from {quality.n - quality.invalid:,} of {quality.n:,} answers{why}", side))
    rate = evaluation.rate("unread", evaluation.primary_quantization, scoring)
    change = rate.difference if rate else None
    words = fmt.UNDEFINED if change is None else fmt.points_interval(_negated(change))
    return f"Form of the answer, {scoring} scoring", [*cells, Cell(words, _tone("unread", change))]


def _negated(figure: Interval) -> Interval:
    return figure.model_copy(update={"value": -figure.value, "low": -figure.high, "high": -figure.low})


def _latency(evaluation: EvaluationResult) -> Line:
    quantization = evaluation.primary_quantization
    speeds = [speed_of(evaluation, side, quantization) for side in SIDES]
    timed = [speed for speed in speeds if speed and speed.latency_ms_p50 is not None]
    cells = [Cell(fmt.milliseconds(speed.latency_ms_p50 if speed else None)) for speed in speeds]
    apart = "" if side_by_side(evaluation, quantization) else ", not side by side: not comparable"
    hosts = " and ".join(dict.fromkeys(speed.host for speed in timed))
    where = f"measured on {hosts}{apart}" if timed else "nothing was timed"
    return "Latency p50", [*cells, Cell(where, "muted")]
