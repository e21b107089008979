"""What a quantisation costs and saves: accuracy against file size and against latency."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from so8t_reporter.charts.lookup import SIDES, cell_of, hosts_of, speed_of
from so8t_reporter.charts.metrics_comparison import measured_on
from so8t_reporter.charts.style import Theme, aside, heading, shortened, value_grid
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.results import Interval, Side, Speed

Point = tuple[float, Interval, str]


def draw(inputs: ReportInputs, names: Names, theme: Theme) -> Figure:
    """Two panels that share the accuracy axis."""
    evaluation = inputs.evaluation
    figure = Figure(figsize=(11, 5))
    grid = figure.add_gridspec(1, 2, left=0.07, right=0.975, top=0.71, bottom=0.13, wspace=0.12)
    size = figure.add_subplot(grid[0])
    latency = figure.add_subplot(grid[1], sharey=size)
    _panel(size, inputs, names, theme, lambda s: s.file_size_bytes / 1e6)
    _panel(latency, inputs, names, theme, lambda s: s.latency_ms_p50)
    size.set_title("File size, MB")
    latency.set_title("Latency p50, ms")
    aside(latency, theme, measured_on(hosts_of(evaluation)))
    latency.tick_params(axis="y", labelleft=False)
    size.set_ylim(0, 1.12)
    size.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    handles, labels = size.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.012, 0.875), ncols=2, handlelength=1.1)
    heading(
        figure,
        theme,
        "Accuracy against cost, by quantisation",
        f"{evaluation.primary_scoring} scoring; up and left is better;"
        f" bars are {100 * evaluation.confidence:g} % intervals",
    )
    return figure


def _panel(axes: Axes, inputs: ReportInputs, names: Names, theme: Theme, cost: Callable[[Speed], float | None]) -> None:
    for side in SIDES:
        points = _points(inputs, side, cost)
        if not points:
            continue
        colour = theme.side(side)
        xs, ys = [x for x, _, _ in points], [y.value for _, y, _ in points]
        below = [y.value - y.low for _, y, _ in points]
        above = [y.high - y.value for _, y, _ in points]
        axes.plot(xs, ys, color=colour, lw=1.3, alpha=0.55)
        axes.errorbar(xs, ys, [below, above], fmt="none", ecolor=colour, elinewidth=1.6, capsize=3)
        axes.plot(xs, ys, "o", color=colour, ms=8, label=f"{side.upper()}  {shortened(names.of(side))}")
        for order, point in enumerate(points):
            _name(axes, theme, point, above=order % 2 == 1)
    if not axes.lines:
        axes.text(0.5, 0.5, "undefined: nothing was timed", transform=axes.transAxes, ha="center", color=theme.muted)
    right = axes.get_xlim()[1]
    axes.set_xlim(0, right * 1.06)
    axes.grid(visible=True, axis="both")
    value_grid(axes, "y")
    axes.tick_params(axis="x", labelcolor=theme.muted)


def _name(axes: Axes, theme: Theme, point: Point, *, above: bool) -> None:
    """The quantisation beside its point; neighbours take turns above and below, so that they do not collide."""
    x, interval, name = point
    axes.annotate(
        name, (x, interval.high if above else interval.low), xytext=(0, 6 if above else -6),
        textcoords="offset points", ha="center", va="bottom" if above else "top", fontsize=8.5, color=theme.ink,
    )  # fmt: skip


def _points(inputs: ReportInputs, side: Side, cost: Callable[[Speed], float | None]) -> list[Point]:
    evaluation = inputs.evaluation
    points: list[Point] = []
    for quantization in inputs.quantizations:
        cell = cell_of(evaluation, side, quantization, evaluation.primary_scoring)
        speed = speed_of(evaluation, side, quantization)
        value = cost(speed) if speed else None
        if cell is not None and value is not None:
            points.append((value, cell.accuracy, quantization))
    return points
