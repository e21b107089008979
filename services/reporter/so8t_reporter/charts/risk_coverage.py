"""Risk-coverage curves of A and B side by side, at the primary quantization."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from so8t_reporter.charts.style import NARROW_HEADING, NARROW_WIDTH, Theme, heading, panels, shortened, value_grid
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.results.sides import SIDES
from so8t_shared.results.thresholds import FittedPolicy

_TICKS = {0.0: "0", 0.25: "25", 0.5: "50", 0.75: "75", 1.0: "100%"}
_LEAST_HEIGHT = 0.1


def draw(inputs: ReportInputs, names: Names, theme: Theme) -> Figure:
    """Draw the share of wrong answers against the share of decided rows, one panel per model."""
    evaluation, found = inputs.evaluation, inputs.evaluation.policy
    assert found is not None
    figure = Figure(figsize=(NARROW_WIDTH, 8.4) if theme.narrow else (11, 5.2))
    wide = {"nrows": 1, "ncols": 2, "left": 0.07, "right": 0.975, "top": 0.77, "bottom": 0.12, "wspace": 0.14}
    both = panels(figure, theme, wide, 2, above=NARROW_HEADING + 0.3, gap=1.05, left=0.18)
    shown = [found.of(side, evaluation.primary_quantization) for side in SIDES]
    risks = [point.risk for each in shown for point in each.curve]
    risks += [each.test.error.value for each in shown if each.test.error]
    for axes, each in zip(both, shown, strict=True):
        axes.set_title(f"{each.model.upper()}  {shortened(names.of(each.model))}")
        _panel(axes, each, theme, 1.1 * max([_LEAST_HEIGHT, *risks]))
    heading(
        figure,
        theme,
        "Errors against decided rows",
        f"test rows, {evaluation.primary_quantization}; the surest rows are decided first;"
        " the point is what the thresholds do",
    )
    return figure


def _panel(axes: Axes, each: FittedPolicy, theme: Theme, top: float) -> None:
    color, curve = theme.side(each.model), each.curve
    axes.plot([p.coverage for p in curve], [p.risk for p in curve], color=color, lw=1.8, drawstyle="steps-post")
    if each.test.error:
        place = (1 - each.test.escalate.value, each.test.error.value)
        axes.scatter(*place, 80, color=color, edgecolors=theme.background, zorder=3, clip_on=False)
    axes.set_xticks([*_TICKS], [*_TICKS.values()])
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, min(1.03, top))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.tick_params(axis="x", labelcolor=theme.muted)
    value_grid(axes, "y")
    axes.set_xlabel("share of rows decided", labelpad=7)
    axes.set_ylabel("share wrong among them")
