"""Curves over steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from so8t_dashboard.charts.scale import Scale, Tick

WIDTH, HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 26


@dataclass(frozen=True)
class Curve:
    """Points (x, y) under a name; `tone` chooses its color, `dots` shows each point."""

    name: str
    points: Sequence[tuple[float, float]]
    tone: str
    dots: bool = False


@dataclass(frozen=True)
class DrawnCurve:
    """A curve in pixels."""

    name: str
    tone: str
    path: str
    dots: list[tuple[float, float]]
    last: str
    """Its last value."""


@dataclass(frozen=True)
class LineChart:
    """Everything that the template draws; `description` says it in words."""

    title: str
    description: str
    curves: list[DrawnCurve]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def line_chart(title: str, curves: Sequence[Curve], *, x_most: float = 0, unit: str = "") -> LineChart | None:
    """Draw curves from 0 on both axes, up to `x_most` steps at least; None if there is no finite point."""
    finite = [(c, [(x, y) for x, y in c.points if math.isfinite(x) and math.isfinite(y)]) for c in curves]
    drawn = [(c, points) for c, points in finite if points]
    if not drawn:
        return None
    x = Scale(0, max([x_most, *(px for _, points in drawn for px, _ in points), 1]), _LEFT, WIDTH - _RIGHT)
    top = max(py for _, points in drawn for _, py in points) or 1.0
    y = Scale(0, top * 1.05, HEIGHT - _BOTTOM, _TOP)
    last = [f"{c.name} {_short(points[-1][1])}{unit} at step {points[-1][0]:,.0f}" for c, points in drawn]
    shapes = [_draw(c, points, x, y, unit) for c, points in drawn]
    return LineChart(title, f"{title}: {'; '.join(last)}", shapes, x.ticks(), y.ticks())


def _draw(curve: Curve, points: list[tuple[float, float]], x: Scale, y: Scale, unit: str) -> DrawnCurve:
    places = [(x.at(px), y.at(py)) for px, py in points]
    path = "M" + " L".join(f"{px:g},{py:g}" for px, py in places)
    dots = places if curve.dots or len(places) == 1 else []
    return DrawnCurve(curve.name, curve.tone, path, dots, f"{_short(points[-1][1])}{unit}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
