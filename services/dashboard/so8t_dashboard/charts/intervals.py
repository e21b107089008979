"""Estimates with their intervals, one row each (a forest plot)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from so8t_dashboard.charts.scale import Scale, Tick

WIDTH = 360
_LEFT, _RIGHT, _TOP, _ROW, _BOTTOM = 10, 10, 6, 40, 26


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; `text` says it, `tone` chooses its color."""

    name: str
    value: float
    low: float
    high: float
    text: str
    tone: str


@dataclass(frozen=True)
class DrawnEstimate:
    """An estimate in pixels."""

    name: str
    text: str
    tone: str
    y: float
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class IntervalChart:
    """Everything that the template draws."""

    title: str
    rows: list[DrawnEstimate]
    ticks: list[Tick]
    height: int
    reference: float | None
    """Place of the reference line."""
    width: int = WIDTH
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP


def interval_chart(
    title: str,
    estimates: Sequence[Estimate],
    *,
    ends: tuple[float, float] | None = None,
    reference: float | None = None,
    percent: bool = True,
) -> IntervalChart | None:
    """Draw the rows below each other on one axis, which has the given ends or fits; None without any."""
    if not estimates:
        return None
    low, high = ends or (min(0.0, *(e.low for e in estimates)), max(e.high for e in estimates) * 1.05 or 1.0)
    factor = 100 if percent else 1
    scale = Scale(low * factor, high * factor, _LEFT, WIDTH - _RIGHT)
    rows = [
        DrawnEstimate(
            *(e.name, e.text, e.tone, _TOP + _ROW * i + 28),
            *(scale.at(each * factor) for each in (e.low, e.value, e.high)),
        )
        for i, e in enumerate(estimates)
    ]
    ticks = [Tick(tick.at, f"{tick.label}%" if percent else tick.label) for tick in scale.ticks(5)]
    line = scale.at(reference * factor) if reference is not None else None
    return IntervalChart(title, rows, ticks, _TOP + _ROW * len(rows) + _BOTTOM, line)
