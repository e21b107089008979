"""Confusion matrices of A and B side by side, at the primary quantization."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from so8t_reporter.charts.lookup import quality_of
from so8t_reporter.charts.style import NARROW_HEADING, NARROW_WIDTH, Theme, heading, panels, shortened, text_on
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.results.evaluation import Quality
from so8t_shared.results.sides import SIDES
from so8t_shared.tables.scorings import Scoring

_COLUMNS = (*LABELS, INVALID)


def draw(inputs: ReportInputs, names: Names, theme: Theme, scoring: Scoring) -> Figure:
    """Draw two matrices; a cell's color is its share of the row, its number the count."""
    evaluation = inputs.evaluation
    figure = Figure(figsize=(NARROW_WIDTH, 9.0) if theme.narrow else (11, 5.5))
    wide = {"nrows": 1, "ncols": 2, "left": 0.095, "right": 0.985, "top": 0.72, "bottom": 0.12, "wspace": 0.3}
    both = panels(figure, theme, wide, 2, above=NARROW_HEADING + 0.3, gap=1.2, left=0.19)
    for axes, side in zip(both, SIDES, strict=True):
        quality = quality_of(evaluation, side, evaluation.primary_quantization, scoring)
        axes.set_title(f"{side.upper()}  {shortened(names.of(side))}", color=theme.ink, pad=30)
        if quality is None:
            axes.axis("off")
            axes.text(0.5, 0.5, "not measured", ha="center", color=theme.muted, transform=axes.transAxes)
        else:
            _matrix(axes, quality, theme)
    heading(
        figure,
        theme,
        f"Confusion matrices, {scoring} scoring",
        f"{evaluation.primary_quantization}; rows are the correct class, columns the answer;"
        " numbers are test rows, color is the share of the row",
    )
    return figure


def _matrix(axes: Axes, quality: Quality, theme: Theme) -> None:
    counts = np.array(quality.confusion, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    axes.imshow(shares, cmap=theme.ramp(quality.model), vmin=0, vmax=1, aspect="auto")
    for row, _ in enumerate(LABELS):
        for column, _ in enumerate(_COLUMNS):
            share = float(shares[row, column])
            red, green, blue, _ = theme.ramp(quality.model)(share)
            color = text_on((red, green, blue))
            _number(axes, (row, column), int(counts[row, column]), share, color)
    axes.set_xticks(range(len(_COLUMNS)), list(_COLUMNS))
    axes.set_yticks(
        range(len(LABELS)),
        [f"{label}\n{_rows(int(total))}" for label, total in zip(LABELS, totals[:, 0], strict=True)],
    )
    axes.tick_params(axis="both", labelcolor=theme.ink, labelsize=6.6 if theme.narrow else 8.5)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(_COLUMNS) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(LABELS) + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color=theme.background, linewidth=3)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(_below(quality), labelpad=9)


def _below(quality: Quality) -> str:
    read = f"{fmt.count(quality.n - quality.invalid)} of {fmt.count(quality.n)} answers"
    if quality.mostly_unread:
        return f"a class could be read from {read}"
    figures = f"accuracy {fmt.percent(quality.accuracy.value)},  macro-F1 {fmt.share(quality.macro_f1)}"
    return f"{figures},  {fmt.count(quality.invalid)} of {fmt.count(quality.n)} invalid"


def _rows(total: int) -> str:
    return "1 row" if total == 1 else f"{total:,} rows" if total else "no rows"


def _number(axes: Axes, place: tuple[int, int], count: int, share: float, color: str) -> None:
    row, column = place
    weight = "bold" if row == column else "normal"
    if not count:
        axes.text(column, row, "0", ha="center", va="center", color=color, fontsize=10.5, alpha=0.55)
        return
    size = 12 if row == column else 10.5
    axes.text(column, row - 0.1, f"{count:,}", ha="center", va="center", color=color, fontsize=size, fontweight=weight)
    axes.text(column, row + 0.22, f"{100 * share:.0f}%", ha="center", va="center", color=color, fontsize=7.5)
