"""The rates that a safety team reads, for A, for B, and B minus A."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from so8t_reporter.document import Block, Cell, Column, Notes, PictureBlock, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.quality import UNREAD, reach_of
from so8t_shared import formatting as fmt
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import Rate
from so8t_shared.results.verdicts import mostly_unread
from so8t_shared.tables import metrics
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


def rates_section(inputs: ReportInputs) -> Section:
    """A table for each scoring at the primary quantization, the reliability, then the other quantizations."""
    evaluation = inputs.evaluation
    primary = evaluation.primary_quantization
    others = [q for q in inputs.quantizations if q != primary]
    first, *rest = (
        [_table(evaluation, quantization, s, folded=quantization != primary) for s in evaluation.scorings]
        for quantization in (primary, *others)
    )
    shown = {rate.metric: metrics.BY_NAME[rate.metric] for rate in evaluation.rates if rate.b}
    explained = Notes([(row.title, row.explanation) for row in shown.values()])
    reliability = [PictureBlock("reliability")] if inputs.evaluation.reliability else []
    blocks: list[Block] = [*first, *reliability, *chain(*rest), explained]
    return Section("rates", "Safety rates", blocks)


def _table(evaluation: EvaluationResult, quantization: Quantization, scoring: Scoring, *, folded: bool) -> Table:
    rates = [r for r in evaluation.rates if (r.quantization, r.scoring, r.by) == (quantization, scoring, "all") and r.b]
    reach = share_reach(rates)
    return Table(
        f"{quantization}, {scoring} scoring",
        rate_columns(evaluation.confidence),
        [row for rate in rates for row in (rate_row(rate, reach), *_usual(rate))],
        folded=folded,
    )


def share_reach(rates: Sequence[Rate]) -> float:
    """Return how far a track must extend to hold the differences of all shares."""
    return reach_of([r.difference for r in rates if r.difference and metrics.BY_NAME[r.metric].percent])


def rate_columns(confidence: float) -> list[Column]:
    """Return the headings of `rate_row`."""
    level = f"{100 * confidence:g}% CI"
    figures = ("Rows", f"A ({level})", f"B ({level})", f"B - A ({level})")
    return [Column("Rate", numeric=False), *map(Column, figures)]


def rate_row(rate: Rate, reach: float) -> list[Cell]:
    """Return one metric of A, of B, and B minus A; a model that could hardly be read has none."""
    metric, difference = metrics.BY_NAME[rate.metric], rate.difference
    rows = rate.b.rows if rate.b else 0
    drawn = difference if metric.percent else None
    unread = [rate.metric != "unread" and mostly_unread(count, rate.rows) for count in (rate.unread_a, rate.unread_b)]
    return [
        Cell(metric.title, "strong"),
        Cell(fmt.count(rows)),
        Cell(UNREAD, "muted") if unread[0] else Cell(_figure(rate.a, percent=metric.percent), "a"),
        Cell(UNREAD, "muted") if unread[1] else Cell(_figure(rate.b, percent=metric.percent), "b"),
        Cell("", "muted")
        if any(unread)
        else Cell(
            _difference(difference, percent=metric.percent), _tone(metric, difference), drawn, "difference", reach
        ),
    ]


def _usual(rate: Rate) -> list[list[Cell]]:
    """Return a row for the field's usual form of a figure, if there is one."""
    usual = metrics.BY_NAME[rate.metric].usual
    if not usual or rate.usual_b is None:
        return []
    cells = [
        Cell(fmt.percent(share) if share is not None else fmt.UNDEFINED, "muted")
        for share in (rate.usual_a, rate.usual_b)
    ]
    return [[Cell(usual), Cell(fmt.count(rate.b.rows if rate.b else 0)), *cells, Cell("", "muted")]]


def _figure(figure: Interval | None, *, percent: bool) -> str:
    if figure is None:
        return fmt.UNDEFINED
    return fmt.percent_interval(figure) if percent else f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def _difference(figure: Interval | None, *, percent: bool) -> str:
    if figure is None:
        return fmt.UNDEFINED
    if percent:
        return fmt.points_interval(figure)
    return f"{figure.value:+.2f} ({figure.low:+.2f} to {figure.high:+.2f})"


def _tone(metric: metrics.Row, difference: Interval | None) -> Tone:
    """Good or bad only if the whole interval lies on one side of 0."""
    if difference is None or metric.better == "neither" or difference.low <= 0 <= difference.high:
        return "muted"
    return "good" if (difference.low > 0) == (metric.better == "higher") else "bad"
