"""Curves of training and counters of an evaluation, live or as they ended."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_dashboard.charts.intervals import Estimate, IntervalChart, interval_chart
from so8t_dashboard.charts.lines import Curve, LineChart, line_chart
from so8t_dashboard.reading.committed import METRICS_FILE, file_of
from so8t_dashboard.reading.state import State
from so8t_dashboard.views.records import SessionView, parsed
from so8t_shared import formatting as fmt
from so8t_shared.labels import CHANCE_NATS
from so8t_shared.results.live import LIVE_FILE, Live, LivePoint, live_point, thinned
from so8t_shared.results.training import TrainingPoint
from so8t_shared.sessions.markers import StageMarkers


@dataclass(frozen=True)
class TrainingLive:
    """The course of training."""

    charts: list[LineChart]
    step: str
    tokens_per_s: str
    memory: str


@dataclass(frozen=True)
class EvaluationLive:
    """Answers so far; nothing is decided by them."""

    asked: int
    rows: int
    chart: IntervalChart | None


def training_live(state: State, view: SessionView) -> TrainingLive | None:
    """The steps of this session's training, from its artifact once it is finished; None before the first."""
    points, steps = _points(state, view)
    if not points:
        return None
    last = points[-1]
    checked = [p for p in points if p.validation_loss is not None]
    loss = [
        Curve("training", [(p.step, p.loss) for p in points], "a"),
        Curve("validation", [(p.step, p.validation_loss or 0.0) for p in checked], "b", dots=True),
    ]
    decision = [
        Curve("training", [(p.step, p.decision_loss) for p in points if p.decision_loss is not None], "a"),
        Curve("validation", [(p.step, p.validation_decision_loss or 0.0) for p in checked], "b", dots=True),
        Curve("a guess", [(0, CHANCE_NATS), (max(steps, last.step), CHANCE_NATS)], "muted"),
    ]
    speed = [Curve("tokens/s", [(p.step, p.tokens_per_s) for p in points if p.tokens_per_s is not None], "a")]
    charts = [
        line_chart("Loss, nats per token", loss, x_most=steps),
        line_chart("Loss of the decision, nats", decision, x_most=steps) if decision[0].points else None,
        line_chart("Tokens per second", speed, x_most=steps),
    ]
    memory = next((p.memory_bytes for p in reversed(points) if p.memory_bytes), None)
    return TrainingLive(
        charts=[chart for chart in charts if chart],
        step=f"{last.step:,} of {steps:,}" if steps else f"{last.step:,}",
        tokens_per_s=fmt.rate(last.tokens_per_s),
        memory=fmt.size(memory) if memory else "",
    )


def _points(state: State, view: SessionView) -> tuple[list[LivePoint], int]:
    marker = view.stage("train").completed
    found = file_of(state.store, marker, METRICS_FILE) if marker else None
    if found and (data := state.store.get_bytes(found[0])):
        lines = [parsed(TrainingPoint, line, found[0]) for line in data.splitlines() if line.strip()]
        points = thinned([live_point(point) for point in lines if point])
        return points, points[-1].step if points else 0
    live = _live(state, view.session_id, "train")
    return (live.points, live.steps) if live else ([], 0)


def _live(state: State, session_id: str, stage: str) -> Live | None:
    key = f"{StageMarkers(state.store, session_id, stage).prefix}/{LIVE_FILE}"
    live: Live | None = parsed(Live, state.store.get_bytes(key), key)
    return live


def evaluation_live(state: State, view: SessionView) -> EvaluationLive | None:
    """Answers so far of an evaluation that is not finished; None before the first, and once it is."""
    live = None if view.stage("evaluate").completed else _live(state, view.session_id, "evaluate")
    if live is None or not live.cells:
        return None
    estimates = [
        Estimate(
            name=f"{cell.model.upper()}, {cell.quantization}, {cell.scoring}",
            text=fmt.counted(cell.right) + (f", {cell.invalid:,} unread" if cell.invalid else ""),
            tone=cell.model,
            **{end: getattr(cell.right, end) for end in ("value", "low", "high")},
        )
        for cell in live.cells
    ]
    chart = interval_chart("Right answers so far", estimates, ends=(0.0, 1.0))
    return EvaluationLive(sum(cell.right.rows for cell in live.cells), live.rows, chart)
