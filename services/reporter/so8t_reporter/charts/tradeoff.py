"""The tradeoff of quantization: accuracy against file size and latency."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from so8t_reporter.charts.error_bars import arms
from so8t_reporter.charts.lookup import decided_quality_of, not_side_by_side, speed_of
from so8t_reporter.charts.metrics_comparison import measured_on
from so8t_reporter.charts.style import (
    NARROW_HEADING,
    NARROW_WIDTH,
    Theme,
    aside,
    heading,
    panels,
    shortened,
    value_grid,
)
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.results.evaluation import Speed
from so8t_shared.results.interval import Interval
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.tables.quantizations import BY_NAME, Quantization

Point = tuple[float, Interval, Quantization]
_COLUMNS = 6
_LEGEND_ROW = 0.3
"""Inches."""
_SPACING: dict[str, Any] = {"ncols": _COLUMNS, "handletextpad": 0.2, "columnspacing": 1.4}


def draw(inputs: ReportInputs, names: Names, theme: Theme) -> Figure:
    """Draw two panels that share the accuracy axis."""
    evaluation = inputs.evaluation
    below = _LEGEND_ROW * math.ceil(len(inputs.quantizations) / _COLUMNS)
    height = 8.4 if theme.narrow else 4.8 + below
    figure = Figure(figsize=(NARROW_WIDTH if theme.narrow else 11, height))
    wide = {
        "nrows": 1, "ncols": 2, "left": 0.07, "right": 0.975, "top": 1 - 1.45 / height,
        "bottom": (0.45 + below) / height, "wspace": 0.12,
    }  # fmt: skip
    size, latency = panels(figure, theme, wide, 2, above=NARROW_HEADING + 1.1)
    _panel(size, inputs, theme, lambda s: s.file_size_bytes / 1e6)
    _panel(latency, inputs, theme, lambda s: s.latency_ms_p50)
    size.set_title("File size, MB")
    latency.set_title("Latency p50, ms")
    aside(latency, theme, "A and B not side by side" if not_side_by_side(evaluation) else measured_on(evaluation))
    for axes in (size, latency):
        axes.set_ylim(0, 1.12)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
    latency.tick_params(axis="y", labelleft=theme.narrow)
    _legend(figure, inputs, names, theme)
    heading(
        figure,
        theme,
        "Accuracy against cost, by quantization",
        f"{evaluation.primary_scoring} scoring; up and left is better;"
        f" bars are {100 * evaluation.confidence:g}% intervals",
    )
    return figure


def _panel(axes: Axes, inputs: ReportInputs, theme: Theme, cost: Callable[[Speed], float | None]) -> None:
    for side in SIDES:
        points = _points(inputs, side, cost)
        if not points:
            continue
        color = theme.side(side)
        xs, ys = [x for x, _, _ in points], [y.value for _, y, _ in points]
        axes.plot(xs, ys, color=color, lw=1.3, alpha=0.55)
        axes.errorbar(xs, ys, arms([y for _, y, _ in points]), fmt="none", ecolor=color, elinewidth=1.6, capsize=3)
        for x, y, quantization in points:
            axes.plot(x, y.value, BY_NAME[quantization].marker, color=color, mec=theme.background, ms=10, clip_on=False)
    if not axes.lines:
        axes.text(0.5, 0.5, "undefined: nothing was timed", transform=axes.transAxes, ha="center", color=theme.muted)
    right = axes.get_xlim()[1]
    axes.set_xlim(0, right * 1.06)
    axes.grid(visible=True, axis="both")
    value_grid(axes, "y")
    axes.tick_params(axis="x", labelcolor=theme.muted)


def _legend(figure: Figure, inputs: ReportInputs, names: Names, theme: Theme) -> None:
    """Colors are models, shapes are quantizations; labels beside the points would overlap."""
    models = [("s", theme.side(side), f"{side.upper()}  {shortened(names.of(side))}") for side in SIDES]
    shapes = [(BY_NAME[q].marker, theme.neutral, q) for q in inputs.quantizations]
    height = figure.get_figheight()
    if theme.narrow:
        columns = _SPACING | {"ncols": 1}
        figure.legend(*_entries(models), loc="upper left", bbox_to_anchor=(0, 1 - 0.85 / height), **columns)
        columns = _SPACING | {"ncols": _COLUMNS // 2}
        figure.legend(*_entries(shapes), loc="upper left", bbox_to_anchor=(0, 1 - 1.3 / height), **columns)
        return
    figure.legend(*_entries(models), loc="upper left", bbox_to_anchor=(0.012, 1 - 0.625 / height), **_SPACING)
    figure.legend(*_entries(shapes), loc="lower center", bbox_to_anchor=(0.52, 0.0), **_SPACING)


def _entries(entries: list[tuple[str, str, str]]) -> tuple[list[Line2D], list[str]]:
    handles = [Line2D([], [], marker=marker, color=color, ls="", ms=8) for marker, color, _ in entries]
    return handles, [text for _, _, text in entries]


def _points(inputs: ReportInputs, side: Side, cost: Callable[[Speed], float | None]) -> list[Point]:
    evaluation = inputs.evaluation
    points: list[Point] = []
    for quantization in inputs.quantizations:
        quality = decided_quality_of(evaluation, side, quantization, evaluation.primary_scoring)
        speed = speed_of(evaluation, side, quantization)
        value = cost(speed) if speed else None
        if quality is not None and value is not None:
            points.append((value, quality.accuracy, quantization))
    return points
