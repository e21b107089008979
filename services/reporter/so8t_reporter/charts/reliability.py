"""Reliability diagrams of A and B side by side, in the headline's setting."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from so8t_reporter.charts.error_bars import arms
from so8t_reporter.charts.style import NARROW_HEADING, NARROW_WIDTH, Theme, heading, panels, shortened, value_grid
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.results.reliability import Reliability
from so8t_shared.results.sides import SIDES

_AREA = 900.0
"""Of all points together, in square points."""
_TICKS = {0.0: "0", 0.25: "25", 0.5: "50", 0.75: "75", 1.0: "100%"}


def draw(inputs: ReportInputs, names: Names, theme: Theme) -> Figure:
    """Draw the share of right answers against the probability, one panel per model."""
    evaluation = inputs.evaluation
    figure = Figure(figsize=(NARROW_WIDTH, 8.4) if theme.narrow else (11, 5.2))
    wide = {"nrows": 1, "ncols": 2, "left": 0.07, "right": 0.975, "top": 0.77, "bottom": 0.12, "wspace": 0.14}
    both = panels(figure, theme, wide, 2, above=NARROW_HEADING + 0.3, gap=1.05, left=0.18)
    for axes, side in zip(both, SIDES, strict=True):
        axes.set_title(f"{side.upper()}  {shortened(names.of(side))}")
        measured = next((r for r in evaluation.reliability if r.model == side), None)
        if measured is None:
            axes.axis("off")
            axes.text(0.5, 0.5, "no probabilities", ha="center", color=theme.muted, transform=axes.transAxes)
        else:
            _panel(axes, measured, theme)
    heading(
        figure,
        theme,
        "Right answers against probability",
        f"{evaluation.primary_quantization}, {evaluation.primary_scoring} scoring;"
        " on the line a model is right as often as it is sure;"
        f" bars are {100 * evaluation.confidence:g}% intervals",
    )
    return figure


def _panel(axes: Axes, measured: Reliability, theme: Theme) -> None:
    color, bins = theme.side(measured.model), measured.bins
    rows = sum(b.rows for b in bins)
    sure, right = [b.confidence for b in bins], [b.right.value for b in bins]
    axes.plot([0, 1], [0, 1], color=theme.neutral, lw=1.3, ls=(0, (4, 3)))
    axes.errorbar(sure, right, arms([b.right for b in bins]), fmt="none", ecolor=color, elinewidth=1.4, alpha=0.7)
    sizes = [max(12.0, _AREA * b.rows / rows) for b in bins]
    axes.scatter(sure, right, sizes, color=color, edgecolors=theme.background, zorder=3, clip_on=False)
    axes.set_xticks([*_TICKS], [*_TICKS.values()])
    axes.set_yticks([*_TICKS], [*_TICKS.values()])
    axes.set_xlim(0.22, 1.02)  # the likeliest of four classes has at least 25%
    axes.set_ylim(0, 1.03)
    axes.tick_params(axis="x", labelcolor=theme.muted)
    value_grid(axes, "y")
    in_bins = f"{fmt.count(len(bins))} {fmt.plural(len(bins), 'bin', 'bins')}"
    axes.set_xlabel(f"probability of the likeliest class ({fmt.count(rows)} rows in {in_bins})", labelpad=7)
    axes.set_ylabel("share right")
