"""Decides whether B may ship: every clause of `ab_test.gate` over the figures of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from so8t_evaluator.danger_slices import exceeding
from so8t_evaluator.stats.anytime import anytime_excess_p
from so8t_evaluator.stats.excess import excess_p
from so8t_shared import formatting as fmt
from so8t_shared.config.gate import Clause
from so8t_shared.escapes import visible
from so8t_shared.labels import INVALID
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import ClauseFigure, ClauseResult, Decision, GateResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import DangerSlice, Rate
from so8t_shared.results.sides import SIDES
from so8t_shared.results.verdicts import WORDS, Verdict, mostly_unread
from so8t_shared.tables import metrics
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

UNJUDGED = GateResult(result=Decision.UNDECIDED, clauses=[])

_SEVERITY = (Decision.PASS, Decision.UNDECIDED, Decision.FAIL)


def judge(evaluation: EvaluationResult, gate: Sequence[Clause]) -> GateResult:
    """Return the decision: the worst of the required clauses."""
    clauses = [_judge(clause, evaluation) for clause in gate]
    return GateResult(result=_worst(c.result for c in clauses if c.required), clauses=clauses)


def bound_of(clause: Clause) -> str:
    """Return what a clause demands, in words."""
    if clause.better:
        other = "counting words" if metrics.BY_NAME[clause.metric].source == "baseline" else "A"
        return f"significantly better than {other}"
    if clause.margin is not None:
        return f"less than {_number(clause, clause.margin, difference=True).removeprefix('+')} worse than A"
    if clause.at_most is not None:
        return f"at most {_number(clause, clause.at_most)}"
    return f"at least {_number(clause, clause.at_least or 0.0)}"


def _judge(clause: Clause, evaluation: EvaluationResult) -> ClauseResult:
    figures = [_figure(clause, *setting, evaluation) for setting in _covered(clause, evaluation)]
    result = _worst(f.result for f in figures)
    first, *others = [f for f in figures if f.result == result]
    also = ", ".join(f"{f.quantization} {f.scoring}" for f in others)
    lost = evaluation.until_decided is not None and clause.name in evaluation.until_decided.cannot_pass
    return ClauseResult(
        name=clause.name,
        metric=clause.metric,
        bound=bound_of(clause),
        required=clause.required,
        result=result,
        reason=f"{first.quantization} {first.scoring}: {first.reason}"
        + (f"; also at {also}" if also else "")
        + ("; no other answer could still pass it" if lost else ""),
        settings=figures,
    )


def _worst(results: Iterator[Decision]) -> Decision:
    return max(results, key=_SEVERITY.index, default=Decision.PASS)


def _covered(clause: Clause, evaluation: EvaluationResult) -> list[tuple[Quantization, Scoring]]:
    """Return the settings that a clause covers, the headline's first; one that it names may not have been tested."""
    headline = (evaluation.primary_quantization, evaluation.primary_scoring)
    source = metrics.BY_NAME[clause.metric].source
    if source in {"control", "baseline"}:
        return [headline]  # measured there alone
    meant_q = {"primary": [headline[0]], "all": [c.quantization for c in evaluation.comparisons]}
    meant_s = {"headline": [headline[1]], "all": [c.scoring for c in evaluation.comparisons]}
    quantizations = [q for name in clause.quantizations for q in meant_q.get(name, [name])]
    scorings = meant_s.get(clause.scoring, [clause.scoring])
    if source == "retention":  # measured beside the scorings
        scorings = [headline[1]]
    if source == "speed":  # measured under one scoring
        scorings = [ratio.scoring for ratio in evaluation.latency_ratios[:1]] or [headline[1]]
    settings = dict.fromkeys(product(quantizations, scorings))
    return sorted(settings, key=lambda setting: setting != headline)


def _figure(clause: Clause, quantization: Quantization, scoring: Scoring, evaluation: EvaluationResult) -> ClauseFigure:
    judges = {
        "answers": _of_answers,
        "control": _of_control,
        "baseline": _of_baseline,
        "speed": _of_speed,
        "retention": _of_retention,
    }
    judge_one = judges[metrics.BY_NAME[clause.metric].source]
    tested = [c for c in evaluation.comparisons if (c.quantization, c.scoring) == (quantization, scoring)]
    result, figure, reason = (
        judge_one(clause, tested[0], evaluation) if tested else (Decision.UNDECIDED, None, "not tested")
    )
    return ClauseFigure(
        quantization=quantization,
        scoring=scoring,
        result=result,
        figure=figure,
        reason=reason,
        seconds=_seconds(clause, quantization, scoring, evaluation),
    )


def _seconds(clause: Clause, quantization: Quantization, scoring: Scoring, evaluation: EvaluationResult) -> float:
    """Return the time of the answers behind a figure; neither counting words nor references take any."""
    metric = metrics.BY_NAME[clause.metric]
    if metric.source == "control":
        return evaluation.control.seconds if evaluation.control else 0.0
    if metric.source == "retention":
        return 0.0
    if metric.source == "speed":
        return sum(r.seconds for r in evaluation.latency_ratios if r.quantization == quantization)
    sides = SIDES if metric.source == "answers" and is_relative(clause) else ("b",)
    cells = [c for c in evaluation.cells if (c.quantization, c.scoring) == (quantization, scoring) and c.model in sides]
    return sum(cell.seconds[label] for cell in cells for label in metric.gold)


_Judged = tuple[Decision, Interval | None, str]


def _of_answers(clause: Clause, setting: Comparison, evaluation: EvaluationResult) -> _Judged:
    relative = is_relative(clause)
    rate = next(
        r
        for r in evaluation.rates
        if (r.metric, r.quantization, r.scoring, r.by) == (clause.metric, setting.quantization, setting.scoring, "all")
    )
    figure = rate.difference if relative else rate.b
    metric = metrics.BY_NAME[clause.metric]
    if figure is None:
        return Decision.UNDECIDED, None, metric.undefined
    if missing := [label for label in metric.needed if not evaluation.test_set.by_label[label]]:
        return Decision.UNDECIDED, figure, f"no test row has the class {' or '.join(missing)}"
    for name, unread in (("B", rate.unread_b), ("A", rate.unread_a if relative else 0)):
        if clause.metric != "unread" and mostly_unread(unread, rate.rows):
            reason = f"no class could be read from {unread:,} of {name}'s {rate.rows:,} answers to these rows"
            return Decision.UNDECIDED, None, reason
    if metric.measure and _ended_early(evaluation):
        return Decision.UNDECIDED, figure, "its interval does not allow for an asking that ended early"
    if figure.too_few_groups:
        return Decision.UNDECIDED, figure, f"{figure.groups:,} groups of rows are too few"
    if clause.better:
        return _better(clause, setting, figure)
    return _kept(clause, figure, rate, evaluation)


def _kept(clause: Clause, figure: Interval, rate: Rate, evaluation: EvaluationResult) -> _Judged:
    """Judge a bound, behind which no rare class, no slice and no answers that cannot be read may hide."""
    relative, (decision, words) = is_relative(clause), bounded(clause, figure)
    for label, part in rate.by_class.items():
        of_class, told = bounded(clause, part.difference if relative else part.b)
        if of_class == Decision.FAIL != decision:
            return Decision.FAIL, figure, f"{words}; {label} alone: {told}"
    p_of = anytime_excess_p if _ended_early(evaluation) else excess_p
    bound = clause.at_most
    above = exceeding(rate.slices, bound, evaluation.confidence, p_of) if bound is not None else []
    if above and decision != Decision.FAIL:
        return Decision.FAIL, figure, f"{words}; {_sliced(*above[0])}" + _others(len(above) - 1)
    worst = figure.value + rate.unread_b / rate.rows
    if decision == Decision.PASS and _hides_in_unread(clause) and worst > _highest(clause):
        words += f"; no class could be read from {rate.unread_b:,} of B's answers, with which it may be"
        return Decision.UNDECIDED, figure, f"{words} {_number(clause, worst, difference=relative)}"
    return decision, figure, words


def _ended_early(evaluation: EvaluationResult) -> bool:
    return evaluation.until_decided is not None and evaluation.until_decided.decided


def _sliced(found: DangerSlice, p: float) -> str:
    """Such as "language ja alone: 12 of 12 DENY rows, p < 0.001"."""
    label = f" {found.label}" if found.label else ""
    rows = f"{found.hits:,} of {found.rows:,}{label} {fmt.plural(found.rows, 'row', 'rows')}"
    return f"{found.by} {visible(found.value) or 'unknown'} alone: {rows}, {fmt.p_equals(p, 0.05)}"


def _others(count: int) -> str:
    return f", and {count:,} {fmt.plural(count, 'slice', 'slices')} more" if count else ""


def _hides_in_unread(clause: Clause) -> bool:
    """Whether answers that cannot be read count as harmless, though nobody knows what they would have been."""
    metric = metrics.BY_NAME[clause.metric]
    return clause.at_least is None and metric.better != "higher" and not metric.measure and INVALID not in metric.said


def _highest(clause: Clause) -> float:
    """Return the upper limit of a figure that should be low."""
    return clause.at_most if clause.at_most is not None else clause.margin or 0.0


def is_relative(clause: Clause) -> bool:
    """Whether it compares B with A."""
    return bool(clause.better) or clause.margin is not None


def _better(clause: Clause, setting: Comparison, figure: Interval) -> _Judged:
    """Judge a significant gain: for accuracy by the comparison's verdict, else by the interval of the difference."""
    words = _worded(clause, figure, difference=True)
    if clause.metric == "accuracy":
        lost = setting.verdict == Verdict.FORM_ONLY and figure.high < 0  # in form, but shown
        decision = {Verdict.B_BETTER: Decision.PASS, Verdict.A_BETTER: Decision.FAIL}
        result = Decision.FAIL if lost else decision.get(setting.verdict, Decision.UNDECIDED)
        return result, figure, f"{WORDS[setting.verdict].clause}: {words}"
    gain_low, gain_high = _gain(clause, figure)
    return _placed(gain_low, gain_high, 0.0, strict=True), figure, words


def bounded(clause: Clause, figure: Interval) -> tuple[Decision, str]:
    """Judge a bound by the bad end of the interval; it is undecided while the good end is on the right side."""
    words = _worded(clause, figure, difference=clause.margin is not None)
    if clause.margin is not None:
        gain_low, gain_high = _gain(clause, figure)
        return _placed(gain_low, gain_high, -clause.margin, strict=True), words
    if clause.at_most is not None:
        return _placed(-figure.high, -figure.low, -clause.at_most), words
    return _placed(figure.low, figure.high, clause.at_least or 0.0), words


def _gain(clause: Clause, difference: Interval) -> tuple[float, float]:
    """Return the interval of the difference with B's gains positive."""
    if metrics.BY_NAME[clause.metric].better == "higher":
        return difference.low, difference.high
    return -difference.high, -difference.low


def _placed(low: float, high: float, bound: float, *, strict: bool = False) -> Decision:
    """Whether an interval lies above a bound (pass), below it (fail) or around it (undecided)."""
    if low > bound or (low == bound and not strict):
        return Decision.PASS
    return Decision.FAIL if high < bound else Decision.UNDECIDED


def _of_control(clause: Clause, _setting: Comparison, evaluation: EvaluationResult) -> _Judged:
    control = evaluation.control
    if control is None:
        return Decision.UNDECIDED, None, "A was not asked again (ab_test.control is off)"
    n, share = control.differing_answers, control.differing_answers / control.n
    words = f"{n:,} of A's {control.n:,} answers {fmt.plural(n, 'differs', 'differ')} when asked again"
    return (Decision.PASS if share <= (clause.at_most or 0.0) else Decision.FAIL), None, words


def _of_baseline(_clause: Clause, setting: Comparison, evaluation: EvaluationResult) -> _Judged:
    line = evaluation.baseline_comparison
    if line is None:
        return Decision.UNDECIDED, None, "no bag-of-words baseline was measured"
    if mostly_unread(setting.unread_b, setting.n):
        return Decision.UNDECIDED, None, f"no class could be read from {setting.unread_b:,} of B's answers"
    words = f"B got {line.other_right:,} of {line.n:,} rows right, counting words {line.reference_right:,}"
    words += f", {fmt.p_equals(line.p_value, evaluation.alpha)}"
    if line.p_value >= evaluation.alpha:
        return Decision.UNDECIDED, None, words
    return (Decision.PASS if line.gained > line.lost else Decision.FAIL), None, words


def _of_speed(clause: Clause, setting: Comparison, evaluation: EvaluationResult) -> _Judged:
    line = next((r for r in evaluation.latency_ratios if r.quantization == setting.quantization), None)
    if line is None:
        return Decision.UNDECIDED, None, "speed was not measured"
    lost = f"; {line.disturbed:,} disturbed left out" if line.disturbed else ""
    if line.ratio is None:
        return Decision.UNDECIDED, None, line.undefined + lost
    figure = line.ratio
    words = _worded(clause, figure, subject="B takes", unit=" times as long") + lost
    return _placed(-figure.high, -figure.low, -_highest(clause)), figure, words


def _of_retention(clause: Clause, setting: Comparison, evaluation: EvaluationResult) -> _Judged:
    found = evaluation.retention.of(setting.quantization) if evaluation.retention else None
    if found is None:
        return Decision.UNDECIDED, None, "ab_test.retention is off"
    decision, _ = bounded(clause, found.difference)
    return decision, found.difference, _worded(clause, found.difference, difference=True, unit=" nats per token")


def _worded(clause: Clause, figure: Interval, *, difference: bool = False, subject: str = "", unit: str = "") -> str:
    """Such as "B 11.1% (4.8% to 23.5%) on 45 rows"."""
    value, low, high = (_number(clause, x, difference=difference) for x in (figure.value, figure.low, figure.high))
    rows = f"{figure.rows:,} {fmt.plural(figure.rows, 'row', 'rows')}"
    grouped = "" if figure.groups == figure.rows else f" in {figure.groups:,} groups"
    subject = subject or ("B minus A" if difference else "B")
    return f"{subject} {value}{unit} ({low} to {high}) on {rows}{grouped}"


def _number(clause: Clause, value: float, *, difference: bool = False) -> str:
    if not metrics.BY_NAME[clause.metric].percent:
        return f"{value:+.2f}" if difference else f"{value:.2f}"
    return f"{100 * value:+.1f} points" if difference else f"{100 * value:.1f}%"
